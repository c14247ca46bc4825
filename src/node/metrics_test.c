#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "node/metrics.h"

static const char stat_text[] = "cpu  3 0 3 4 0 0 0 0 0 0\n"
                                "cpu0 301 0 250 12345 6 0 7 0 0 0\n"
                                "cpu1 1 0 x 3\n"
                                "intr 5 6\n";
static const char meminfo_text[] = "MemTotal:         502516 kB\n"
                                   "MemFree:          400000 kB\n"
                                   "MemAvailable:     450000 kB\n"
                                   "HugePages_Total:       0\n";
static const char net_dev_text[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n"
    "    lo:     100       1    0    0    0     0          0         0      100       1    0    0 "
    "0 0 0 0\n"
    "  eth0: 12345     67    1    2    0     0          0         0   890       12    3    4 0 0 0 "
    "0\n";

static const char expected[] =
    "# TYPE broch_build info\n"
    "# HELP broch_build What runs.\n"
    "broch_build_info{version=\"0.1.0\",generation=\"v0.1.0-node-x86_64\",profile=\"node\","
    "kernel=\"6.12\"} 1\n"
    "# TYPE broch_boot info\n"
    "# HELP broch_boot How it was started.\n"
    "broch_boot_info{slot=\"A\",secureboot=\"on\",tpm=\"off\"} 1\n"
    "# TYPE broch_uptime_seconds gauge\n"
    "# UNIT broch_uptime_seconds seconds\n"
    "# HELP broch_uptime_seconds Since the kernel's start.\n"
    "broch_uptime_seconds 12.345678\n"
    "# TYPE broch_ready gauge\n"
    "# HELP broch_ready 1 when the machine became ready.\n"
    "broch_ready 1\n"
    "# TYPE broch_ready_after_seconds gauge\n"
    "# UNIT broch_ready_after_seconds seconds\n"
    "# HELP broch_ready_after_seconds From the kernel's start until the machine was ready.\n"
    "broch_ready_after_seconds 9.000001\n"
    "# TYPE broch_cpu_seconds counter\n"
    "# UNIT broch_cpu_seconds seconds\n"
    "# HELP broch_cpu_seconds Time of each processor, by what it did.\n"
    "broch_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 3.01\n"
    "broch_cpu_seconds_total{cpu=\"0\",mode=\"nice\"} 0.00\n"
    "broch_cpu_seconds_total{cpu=\"0\",mode=\"system\"} 2.50\n"
    "broch_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 123.45\n"
    "broch_cpu_seconds_total{cpu=\"0\",mode=\"iowait\"} 0.06\n"
    "broch_cpu_seconds_total{cpu=\"0\",mode=\"irq\"} 0.00\n"
    "broch_cpu_seconds_total{cpu=\"0\",mode=\"softirq\"} 0.07\n"
    "broch_cpu_seconds_total{cpu=\"0\",mode=\"steal\"} 0.00\n"
    "broch_cpu_seconds_total{cpu=\"1\",mode=\"user\"} 0.01\n"
    "broch_cpu_seconds_total{cpu=\"1\",mode=\"nice\"} 0.00\n"
    "broch_cpu_seconds_total{cpu=\"1\",mode=\"idle\"} 0.03\n"
    "# TYPE broch_memory_bytes gauge\n"
    "# UNIT broch_memory_bytes bytes\n"
    "# HELP broch_memory_bytes Memory, by kind.\n"
    "broch_memory_bytes{kind=\"total\"} 514576384\n"
    "broch_memory_bytes{kind=\"free\"} 409600000\n"
    "broch_memory_bytes{kind=\"available\"} 460800000\n"
    "# TYPE broch_load gauge\n"
    "# HELP broch_load Average number of tasks that want to run.\n"
    "broch_load{minutes=\"1\"} 0.42\n"
    "broch_load{minutes=\"5\"} 10.00\n"
    "broch_load{minutes=\"15\"} 0.05\n"
    "# TYPE broch_filesystem_size_bytes gauge\n"
    "# UNIT broch_filesystem_size_bytes bytes\n"
    "# HELP broch_filesystem_size_bytes Size.\n"
    "broch_filesystem_size_bytes{mount=\"/var\"} 1000\n"
    "# TYPE broch_filesystem_free_bytes gauge\n"
    "# UNIT broch_filesystem_free_bytes bytes\n"
    "# HELP broch_filesystem_free_bytes Room for users.\n"
    "broch_filesystem_free_bytes{mount=\"/var\"} 10\n"
    "# TYPE broch_network_receive_bytes counter\n"
    "# UNIT broch_network_receive_bytes bytes\n"
    "# HELP broch_network_receive_bytes Received.\n"
    "broch_network_receive_bytes_total{interface=\"lo\"} 100\n"
    "broch_network_receive_bytes_total{interface=\"eth0\"} 12345\n";

static const char expected_end[] =
    "broch_network_transmit_drops_total{interface=\"eth0\"} 4\n"
    "# TYPE broch_service_state stateset\n"
    "# HELP broch_service_state What each service does.\n"
    "broch_service_state{service=\"ssh\",broch_service_state=\"off\"} 0\n"
    "broch_service_state{service=\"ssh\",broch_service_state=\"waiting\"} 0\n"
    "broch_service_state{service=\"ssh\",broch_service_state=\"starting\"} 0\n"
    "broch_service_state{service=\"ssh\",broch_service_state=\"up\"} 0\n"
    "broch_service_state{service=\"ssh\",broch_service_state=\"ready\"} 1\n"
    "broch_service_state{service=\"ssh\",broch_service_state=\"done\"} 0\n"
    "broch_service_state{service=\"ssh\",broch_service_state=\"stopping\"} 0\n"
    "broch_service_state{service=\"ssh\",broch_service_state=\"down\"} 0\n"
    "broch_service_state{service=\"ssh\",broch_service_state=\"backoff\"} 0\n"
    "broch_service_state{service=\"ssh\",broch_service_state=\"failed\"} 0\n"
    "# TYPE broch_service_restarts counter\n"
    "# UNIT broch_service_restarts restarts\n"
    "# HELP broch_service_restarts Starts after the first one, in this boot.\n"
    "broch_service_restarts_total{service=\"ssh\"} 2\n"
    "# TYPE broch_service_memory_bytes gauge\n"
    "# UNIT broch_service_memory_bytes bytes\n"
    "# HELP broch_service_memory_bytes Memory of all its processes.\n"
    "broch_service_memory_bytes{service=\"ssh\"} 4096\n"
    "# TYPE broch_service_cpu_seconds counter\n"
    "# UNIT broch_service_cpu_seconds seconds\n"
    "# HELP broch_service_cpu_seconds Processor time of all its processes.\n"
    "broch_service_cpu_seconds_total{service=\"ssh\"} 0.001500\n"
    "# TYPE broch_clock_synchronized gauge\n"
    "# HELP broch_clock_synchronized 1 when the kernel's clock follows a time source.\n"
    "broch_clock_synchronized 1\n"
    "# TYPE broch_clock_error_seconds gauge\n"
    "# UNIT broch_clock_error_seconds seconds\n"
    "# HELP broch_clock_error_seconds How wrong the clock may be at most.\n"
    "broch_clock_error_seconds 0.001000\n"
    "# TYPE broch_textfile_refused gauge\n"
    "# HELP broch_textfile_refused 1 for a file of /var/lib/broch/metrics that could not be taken "
    "over.\n"
    "broch_textfile_refused{file=\"bad.prom\"} 1\n"
    "# TYPE broch_textfile_modified_timestamp_seconds gauge\n"
    "# UNIT broch_textfile_modified_timestamp_seconds seconds\n"
    "# HELP broch_textfile_modified_timestamp_seconds When the file was written: an old one speaks "
    "of old times.\n"
    "broch_textfile_modified_timestamp_seconds{file=\"bad.prom\"} 1700000000\n";

static void fill(struct metrics_facts *facts, struct snapshot *services)
{
    *facts = (struct metrics_facts){
        .version = "0.1.0",
        .generation = "v0.1.0-node-x86_64",
        .profile = "node",
        .kernel = "6.12",
        .slot = "A",
        .secure_boot = "on",
        .tpm = "off",
        .uptime_us = 12345678,
        .ready = true,
        .ready_us = 9000001,
        .stat = stat_text,
        .meminfo = meminfo_text,
        .loadavg = "0.42 10.00 0.05 1/99 1234\n",
        .net_dev = net_dev_text,
        .ticks_per_second = 100,
        .filesystems = { { "/var", 1000, 10 } },
        .filesystem_count = 1,
        .services = services,
        .usage = { { true, 4096, 1500 } },
        .clock_known = true,
        .clock_synchronized = true,
        .clock_error_us = 1000,
        .files = { { "bad.prom", true, 1700000000 } },
        .file_count = 1,
    };
    services->count = 1;
    (void)snprintf(services->services[0].name, SNAPSHOT_NAME_SIZE, "ssh");
    services->services[0].state = SNAPSHOT_READY;
    services->services[0].restarts = 2;
}

static void test_golden(void **state)
{
    static struct metrics_facts facts;
    struct snapshot *services = calloc(1, sizeof(*services));
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    assert_non_null(services);
    fill(&facts, services);
    metrics_add(&facts, &t);
    assert_int_equal(text_status(&t), 0);
    assert_true(t.length > strlen(expected) + strlen(expected_end));
    t.data[t.length] = '\0';
    assert_string_equal(t.data + t.length - strlen(expected_end), expected_end);
    t.data[strlen(expected)] = '\0';
    assert_string_equal(t.data, expected);
    free(services);
}

/* A machine about which nothing is known still has a page. */
static void test_nothing_known(void **state)
{
    static const struct metrics_facts facts = { .version = "",
                                                .generation = "",
                                                .profile = "",
                                                .kernel = "",
                                                .slot = "",
                                                .secure_boot = "",
                                                .tpm = "",
                                                .stat = "",
                                                .meminfo = "",
                                                .loadavg = "",
                                                .net_dev = "" };
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    metrics_add(&facts, &t);
    assert_int_equal(text_status(&t), 0);
    assert_non_null(strstr(text_string(&t), "\nbroch_ready 0\n"));
    assert_null(strstr(text_string(&t), "broch_service"));
    assert_null(strstr(text_string(&t), "broch_clock"));
}

/* Our own page follows the rules that we ask of others, apart from the reserved names. */
static void test_reads_back(void **state)
{
    static struct metrics_facts facts;
    static struct openmetrics_names names;
    struct snapshot *services = calloc(1, sizeof(*services));
    _cleanup_text_ struct text t = TEXT_INIT, taken = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_non_null(services);
    fill(&facts, services);
    metrics_add(&facts, &t);
    openmetrics_end(&t);
    for (char *p = t.data; (p = strstr(p, "broch_"));)
        memcpy(p, "other_", 6);
    assert_int_equal(openmetrics_take(t.data, t.length, &names, &taken, &f), 0);
    free(services);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
