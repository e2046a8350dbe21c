{{- define "ddtas.labels" -}}
app.kubernetes.io/name: ddtas-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "ddtas.selector" -}}
app.kubernetes.io/name: ddtas-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What the operator does in a municipality's namespace: nothing that it does not need for an Installation. */}}
{{- define "ddtas.namespaceRules" -}}
- apiGroups: [ddtas.nl]
  resources: [municipalityplatforms, installations]
  verbs: [get, list, watch]
- apiGroups: [ddtas.nl]
  resources: [municipalityplatforms/status, installations/status]
  verbs: [patch]
# For finalizers (a city's own cluster; spec.removal: Wait): RBAC cannot grant that field alone. No spec is written.
- apiGroups: [ddtas.nl]
  resources: [installations]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps, secrets, services, persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
- apiGroups: [apps]
  resources: [deployments, controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}

{{/* What may be read there beside: what the namespace enforces and has room for. */}}
{{- define "ddtas.capabilityRules" -}}
{{- if has "namespaces" .Values.capabilities.read -}}
- apiGroups: [""]
  resources: [namespaces]
  # In a Role this is the right to see this one namespace.
  verbs: [{{ if .Values.namespaces }}get{{ else }}list{{ end }}]
- apiGroups: [""]
  resources: [resourcequotas, limitranges]
  verbs: [list]
{{- end }}
{{- end }}
