#!/bin/sh
# Prints a kubeconfig for the account of access.yaml, from the cluster that kubectl talks to now.
#   sh kubeconfig.sh https://api.city.example:6443 [NAMESPACE] > kubeconfig
# The first argument is the address at which the operator reaches the API server.
set -eu
server=${1:?the URL of the API server, such as https://api.city.example:6443}
namespace=${2:-digital-twins}
entry() {
  kubectl --namespace "$namespace" get secret ddtas-operator-token --output "jsonpath={.data.$1}"
}
authority=$(entry 'ca\.crt')
token=$(entry token | base64 --decode)
cat <<END
apiVersion: v1
kind: Config
current-context: city
contexts:
  - name: city
    context: {cluster: city, user: ddtas-operator, namespace: $namespace}
clusters:
  - name: city
    cluster:
      server: $server
      certificate-authority-data: $authority
users:
  - name: ddtas-operator
    user:
      token: $token
END
