// The worker for Java. Its protocol is that of roads/common/worker.py; requests are flat, so one pattern reads them.
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public final class Roads {
    private static final int PERIOD = 1000;

    private static long fib(int n) {
        return n < 2 ? n : fib(n - 1) + fib(n - 2);
    }

    private static double total(double[] values, int start, int stop) {
        double sum = 0;
        for (int i = start; i < stop; i++) sum += values[i];
        return sum;
    }

    private static long get(int port) throws Exception {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.setSoTimeout(30_000);
            socket.getOutputStream().write("GET / HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            InputStream in = socket.getInputStream();
            byte[] part = new byte[4096];
            long received = 0;
            for (int n = in.read(part); n > 0; n = in.read(part)) received += n;
            return received;
        }
    }

    /** The rendezvous: spins until all that are wanted are here, or patience ends; who has given up is not met. */
    private static double meet(AtomicInteger here, AtomicInteger gone, int wanted, int patience) {
        long deadline = System.nanoTime() + patience * 1_000_000L;
        here.incrementAndGet();
        while (gone.get() == 0) {
            if (here.get() >= wanted) return 1;
            if (System.nanoTime() > deadline) gone.set(1);
            Thread.onSpinWait();
        }
        return 0;
    }

    private static String text(String request, String name) {
        Matcher found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"?([^\",}]*)").matcher(request);
        return found.find() ? found.group(1) : "";
    }

    private static int number(String request, String name) {
        return Integer.parseInt(text(request, name));
    }

    /** The calls of a job, each giving a number. */
    private static List<Callable<Double>> calls(String request) {
        String job = text(request, "job");
        int size = number(request, "size"), count = number(request, "count"), port = number(request, "port");
        List<Callable<Double>> calls = new ArrayList<>();
        if (job.equals("sum")) {
            double[] data = new double[size];
            for (int i = 0; i < size; i++) data[i] = i % PERIOD;
            for (long i = 0; i < count; i++) {
                int start = (int) (i * size / count), stop = (int) ((i + 1) * size / count);
                calls.add(() -> total(data, start, stop));
            }
        } else if (job.equals("interpreted")) {
            AtomicInteger here = new AtomicInteger(), gone = new AtomicInteger();
            int patience = number(request, "patience");
            for (int i = 0; i < 2; i++) calls.add(() -> meet(here, gone, 2, patience));
        } else {
            for (int i = 0; i < count; i++) calls.add(job.equals("cpu") ? () -> (double) fib(size) : () -> (double) get(port));
        }
        return calls;
    }

    private static double merge(String job, List<Future<Double>> results) throws Exception {
        boolean adds = job.equals("sum") || job.equals("interpreted");
        double merged = adds ? 0 : results.get(0).get();
        for (Future<Double> result : results) merged = adds ? merged + result.get() : Math.min(merged, result.get());
        return merged;
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        System.out.println("{\"hello\": \"Java " + System.getProperty("java.version") + "\", \"gil\": false}");
        ExecutorService pool = null;
        List<Callable<Double>> calls = List.of();
        String job = "";
        for (String request = in.readLine(); request != null; request = in.readLine()) {
            try {
                if (text(request, "do").equals("prepare")) {
                    if (pool != null) pool.shutdown();
                    job = text(request, "job");
                    calls = calls(request);
                    pool = Executors.newFixedThreadPool(job.equals("interpreted") ? 2 : number(request, "workers"));
                    System.out.println("{\"moved\": 0}");
                } else {
                    long start = System.nanoTime();
                    double value = merge(job, pool.invokeAll(calls));
                    System.out.println("{\"value\": " + value + ", \"seconds\": " + (System.nanoTime() - start) * 1e-9 + "}");
                }
            } catch (Exception error) {
                System.out.println("{\"error\": \"" + String.valueOf(error).replaceAll("[\"\\\\\\p{Cntrl}]", " ") + "\"}");
            }
        }
        if (pool != null) pool.shutdown();
    }
}
