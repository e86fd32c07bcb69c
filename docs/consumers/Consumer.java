// A complete consumer in Java 17, no libraries: run it with `mockserver check -- java docs/consumers/Consumer.java`.

import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

public class Consumer {
    static final HttpClient CLIENT = HttpClient.newHttpClient();
    static final ExecutorService READER = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    });

    public static void main(String[] arguments) {
        System.out.println("{\"consumer\":\"example-java\",\"version\":\"1\",\"lacks\":[\"tools\",\"n\",\"refusal\",\"reasoning\",\"retries\",\"leave_early\",\"read_pause\"]}");
        Scanner lines = new Scanner(System.in, StandardCharsets.UTF_8);
        while (lines.hasNextLine()) {
            Map<String, Object> line = Json.object(Json.parse(lines.nextLine()));
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("case", line.get("case"));
            try {
                answer.putAll(ask(line));
            } catch (Exception error) {
                Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
                answer.put("error", Map.of("type", cause.getClass().getSimpleName(), "message", String.valueOf(cause.getMessage())));
            }
            System.out.println(Json.write(answer));
            System.out.flush();
        }
        System.exit(0);
    }

    /** Make the request of one case, and report what came of it. */
    static Map<String, Object> ask(Map<String, Object> line) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(line.get("base_url") + "/chat/completions"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(Json.write(line.get("request"))))
                .build();
        long limitMs = Math.round(((Number) line.get("timeout_s")).doubleValue() * 1000);
        HttpResponse<InputStream> response =
                within(limitMs, () -> CLIENT.send(request, HttpResponse.BodyHandlers.ofInputStream()));
        if (response.statusCode() != 200) throw new IllegalStateException("status " + response.statusCode());
        StringBuilder content = new StringBuilder();
        Object finish = null, usage = null;
        try (InputStream body = response.body()) {
            Events events = new Events(body, limitMs);
            for (String data; (data = events.next()) != null && !data.equals("[DONE]"); ) {
                Map<String, Object> chunk = Json.object(Json.parse(data));
                if (chunk.get("error") != null) throw new IllegalStateException("the server told an error: " + chunk.get("error"));
                if (chunk.get("usage") != null) usage = chunk.get("usage");
                if (!(chunk.get("choices") instanceof List<?> choices)) continue;
                for (Object each : choices) {
                    Map<String, Object> choice = Json.object(each);
                    if (choice.get("delta") instanceof Map<?, ?> delta && delta.get("content") instanceof String text) content.append(text);
                    if (choice.get("finish_reason") instanceof String reason && !reason.isEmpty()) finish = reason;
                }
            }
        }
        Map<String, Object> got = new LinkedHashMap<>();
        got.put("content", content.toString());
        got.put("tool_calls", List.of());
        got.put("finish_reason", finish);
        got.put("usage", usage);
        got.put("error", finish != null ? null : Map.of("type", "Truncated", "message", "the stream ended without a finish reason"));
        return got;
    }

    /** Do something in another thread, waiting for it no longer than the limit. */
    static <T> T within(long limitMs, java.util.concurrent.Callable<T> work) throws Exception {
        var future = READER.submit(work);
        try {
            return future.get(limitMs, TimeUnit.MILLISECONDS);
        } catch (TimeoutException error) {
            future.cancel(true);
            throw new TimeoutException("silent for " + limitMs + " ms");
        }
    }

    /** The data of each server-sent event (WHATWG HTML 9.2.6); lines may end in LF, CRLF or CR. */
    static class Events {
        private final InputStream body;
        private final long limitMs; // for a line: a comment is a sign of life too
        private boolean atStart = true;
        private int last = -1;

        Events(InputStream body, long limitMs) {
            this.body = body;
            this.limitMs = limitMs;
        }

        String next() throws Exception {
            List<String> data = new ArrayList<>();
            for (String line; (line = within(limitMs, this::line)) != null; ) {
                if (line.startsWith("data:")) data.add(line.startsWith("data: ") ? line.substring(6) : line.substring(5));
                else if (line.isEmpty() && !data.isEmpty()) return String.join("\n", data);
            }
            return null;
        }

        /** A line without its end, or null where the stream ends; what stands there unfinished is no line. */
        private String line() throws Exception {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            while (true) {
                int b = body.read();
                if (b < 0) return null;
                boolean secondHalf = last == '\r' && b == '\n';
                last = b;
                if (secondHalf) continue;
                if (b == '\n' || b == '\r') break;
                bytes.write(b);
            }
            String line = StandardCharsets.UTF_8.newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .decode(ByteBuffer.wrap(bytes.toByteArray()))
                    .toString();
            if (atStart && line.startsWith("\uFEFF")) line = line.substring(1);
            atStart = false;
            return line;
        }
    }

    /** As much JSON as the protocol needs. */
    static class Json {
        private final String text;
        private int at;

        private Json(String text) {
            this.text = text;
        }

        static Object parse(String text) {
            Json json = new Json(text);
            Object value = json.value();
            if (json.peek() != 0) throw new IllegalArgumentException("not JSON: something follows at " + json.at);
            return value;
        }

        @SuppressWarnings("unchecked")
        static Map<String, Object> object(Object value) {
            if (value instanceof Map<?, ?>) return (Map<String, Object>) value;
            throw new IllegalArgumentException("expected an object, got " + value);
        }

        private char peek() {
            while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) at++;
            return at < text.length() ? text.charAt(at) : 0;
        }

        private void expect(char c) {
            if (peek() != c) throw new IllegalArgumentException("not JSON: expected " + c + " at " + at);
            at++;
        }

        private Object value() {
            switch (peek()) {
                case '{': {
                    Map<String, Object> found = new LinkedHashMap<>();
                    at++;
                    if (peek() == '}') { at++; return found; }
                    while (true) {
                        peek();
                        String key = string();
                        expect(':');
                        found.put(key, value());
                        if (peek() == ',') { at++; continue; }
                        expect('}');
                        return found;
                    }
                }
                case '[': {
                    List<Object> found = new ArrayList<>();
                    at++;
                    if (peek() == ']') { at++; return found; }
                    while (true) {
                        found.add(value());
                        if (peek() == ',') { at++; continue; }
                        expect(']');
                        return found;
                    }
                }
                case '"':
                    return string();
                default:
                    int end = at;
                    while (end < text.length() && ",]} \t\n\r".indexOf(text.charAt(end)) < 0) end++;
                    String word = text.substring(at, end);
                    at = end;
                    if (word.equals("null")) return null;
                    if (word.equals("true") || word.equals("false")) return word.equals("true");
                    if (!word.matches("-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?")) throw new IllegalArgumentException("not JSON: " + word);
                    if (word.matches("-?\\d{1,18}")) return Long.valueOf(word);
                    return Double.valueOf(word);
            }
        }

        private String string() {
            expect('"');
            StringBuilder found = new StringBuilder();
            while (true) {
                if (at >= text.length()) throw new IllegalArgumentException("not JSON: a string has no end");
                char c = text.charAt(at++);
                if (c == '"') return found.toString();
                if (c != '\\') { found.append(c); continue; }
                char escaped = text.charAt(at++);
                int known = "bfnrt".indexOf(escaped);
                if (escaped == 'u') { found.append((char) Integer.parseInt(text.substring(at, at + 4), 16)); at += 4; }
                else found.append(known >= 0 ? "\b\f\n\r\t".charAt(known) : escaped);
            }
        }

        static String write(Object value) {
            if (value instanceof Map<?, ?> map) {
                List<String> members = new ArrayList<>();
                map.forEach((key, member) -> members.add(write(key) + ":" + write(member)));
                return "{" + String.join(",", members) + "}";
            }
            if (value instanceof List<?> list) return "[" + String.join(",", list.stream().map(Json::write).toList()) + "]";
            if (!(value instanceof String text)) return String.valueOf(value);
            StringBuilder found = new StringBuilder("\"");
            for (char c : text.toCharArray()) {
                if (c == '"' || c == '\\') found.append('\\').append(c);
                else if (c < 0x20 || c > 0x7e) found.append(String.format("\\u%04x", (int) c));
                else found.append(c);
            }
            return found.append('"').toString();
        }
    }
}
