import com.sun.net.httpserver.BasicAuthenticator;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import de.fraunhofer.iosb.ilt.frostserver.messagebus.MessageBusFactory;
import de.fraunhofer.iosb.ilt.frostserver.path.UrlHelper;
import de.fraunhofer.iosb.ilt.frostserver.path.Version;
import de.fraunhofer.iosb.ilt.frostserver.persistence.PersistenceManagerFactory;
import de.fraunhofer.iosb.ilt.frostserver.service.PluginManager;
import de.fraunhofer.iosb.ilt.frostserver.service.PluginService;
import de.fraunhofer.iosb.ilt.frostserver.service.Service;
import de.fraunhofer.iosb.ilt.frostserver.service.ServiceRequest;
import de.fraunhofer.iosb.ilt.frostserver.service.ServiceRequestBuilder;
import de.fraunhofer.iosb.ilt.frostserver.service.ServiceResponseDefault;
import de.fraunhofer.iosb.ilt.frostserver.settings.CoreSettings;
import de.fraunhofer.iosb.ilt.frostserver.util.HttpMethod;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Executors;

/**
 * FROST-Server as one process on a loopback port.
 *
 * <p>Maven Central carries FROST-Server's engine (its model, its queries, its database, its formatter), and not the
 * module that ties it to a servlet container. This ties it to the HTTP server of the JDK instead: a request goes to
 * the plugin that FROST-Server names for it, and what the plugin says goes back as it is.
 *
 * <p>One argument: a properties file with FROST-Server's own settings, and {@code http.port}; {@code http.user} and
 * {@code http.password}, when set, are asked of every request by HTTP basic authentication.
 */
public final class SensorThings {
    private final CoreSettings settings;

    private SensorThings(CoreSettings settings) {
        this.settings = settings;
    }

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        try (InputStream file = Files.newInputStream(Path.of(arguments[0]))) {
            properties.load(file);
        }
        CoreSettings settings = new CoreSettings(properties);
        PersistenceManagerFactory.init(settings);
        MessageBusFactory.createMessageBus(settings);

        int port = Integer.parseInt(properties.getProperty("http.port"));
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        var context = server.createContext("/", new SensorThings(settings)::answer);
        String user = properties.getProperty("http.user", "");
        if (!user.isEmpty()) {
            context.setAuthenticator(new BasicAuthenticator("SensorThings") {
                @Override
                public boolean checkCredentials(String name, String password) {
                    return name.equals(user) && password.equals(properties.getProperty("http.password"));
                }
            });
        }
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.start();
    }

    private void answer(HttpExchange exchange) throws IOException {
        ServiceResponseDefault response = new ServiceResponseDefault();
        try {
            handle(exchange, response);
        } catch (IllegalArgumentException error) {
            response.setStatus(400, error.getMessage());
        } catch (RuntimeException error) {
            error.printStackTrace();
            response.setStatus(500, "internal error: see the log of the server");
        } finally {
            ServiceRequest.LOCAL_REQUEST.remove();
        }
        send(exchange, response);
    }

    private void handle(HttpExchange exchange, ServiceResponseDefault response) {
        URI uri = exchange.getRequestURI();
        String[] parts = decoded(uri.getRawPath()).substring(1).split("/", 2);
        String path = parts.length > 1 ? "/" + parts[1] : "";
        PluginManager plugins = settings.getPluginManager();
        Version version = plugins.getVersion(parts[0]);
        PluginService plugin = version == null ? null : plugins.getServiceForPath(version, path);
        if (plugin == null) {
            response.setStatus(404, "Not Found");
            return;
        }
        String contentType = exchange.getRequestHeaders().getFirst("Content-Type");
        HttpMethod method = HttpMethod.fromString(exchange.getRequestMethod());
        String type = plugin.getRequestTypeFor(version, path, method, contentType);
        if (type == null) {
            response.setStatus(405, "Method Not Allowed");
            return;
        }
        Map<String, List<String>> parameters = UrlHelper.splitQuery(uri.getRawQuery());
        ServiceRequest request = new ServiceRequestBuilder(settings, version)
                .withRequestType(type)
                .withUrlPath(path)
                .withUrlQuery(uri.getRawQuery() == null ? null : decoded(uri.getRawQuery()))
                .withContent(exchange.getRequestBody())
                .withContentType(contentType)
                .withParameterMap(parameters)
                .build();
        ServiceRequest.LOCAL_REQUEST.set(request);
        try (Service service = new Service(settings)) {
            plugin.execute(service, request, response);
        }
    }

    private static void send(HttpExchange exchange, ServiceResponseDefault response) throws IOException {
        String said = response.getWriter().toString();
        if (said.isEmpty() && !response.isSuccessful() && response.getMessage() != null) {
            said = response.getMessage();
        }
        byte[] body = said.getBytes(StandardCharsets.UTF_8);
        response.getHeaders().forEach(exchange.getResponseHeaders()::set);
        String contentType = response.getContentType();
        exchange.getResponseHeaders().set("Content-Type", contentType == null ? "application/json" : contentType);
        boolean empty = body.length == 0 || exchange.getRequestMethod().equals("HEAD");
        exchange.sendResponseHeaders(response.getCode() == 0 ? 200 : response.getCode(), empty ? -1 : body.length);
        if (!empty) {
            exchange.getResponseBody().write(body);
        }
        exchange.close();
    }

    private static String decoded(String text) {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }
}
