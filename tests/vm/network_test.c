/* Devices, firewall, network, time and remote login of a running machine: what is open and what is
 * not, a network that goes and comes, one without IPv4, a clock that is wrong by years. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "fixture.h"
#include "sys/event.h"

enum { DECLARED_PORT = 18080, UNDECLARED_COUNT = 45, PORTS_PER_SERVER = 15, NTP_SIZE = 48 };

#define NTP_EPOCH 2208988800ull /* seconds from 1900 to 1970 */
#define YEAR_2033 2000000000ull /* seconds since 1970: 18 May 2033 */

/* --- Machines --- */

static void await(struct place *place, const char *command, const char *text, bool there)
{
    await_as(place, false, command, text, there);
}

/* The firewall is loaded anew behind an answer of `broch config apply`, not before it. */
static void await_rule(struct place *place, const char *rule)
{
    await_as(place, true, "nft list chain inet broch input", rule, true);
}

/* Kills a service and waits until it is ready again. */
static void restart(struct place *place, const char *service)
{
    _cleanup_free_ char *command =
        text_make("s6-svc -T 60000 -wR -r /run/service/%s; echo =$?", service);

    expect(place, true, command, "=0");
}

static void boot(struct place *place)
{
    use_direct(place, fixture_manifest.cmdline, artifact("system.erofs"));
    start(place);
    (void)expect_ready(place);
    login(place);
}

static void configure(struct place *place, const char *toml)
{
    _cleanup_free_ char *command =
        text_make("printf '%%b' '%s' >/etc/broch/config.d/50.toml; broch config apply 2>&1;"
                  " echo =$?",
                  toml);

    expect(place, true, command, "=0");
}

/* --- What is open --- */

static uint16_t undeclared_port(size_t index)
{
    static const uint16_t wellknown[] = { 1,   21,  23,   25,   53,   80,   111,  123,
                                          443, 631, 2049, 3306, 7208, 7209, 9090, 65535 };

    return index < ARRAY_SIZE(wellknown) ? wellknown[index] : (uint16_t)(20000 + 997 * index);
}

static void add_forwards(struct place *place)
{
    place->config.network = VM_NETWORK_RESTRICTED;
    place->config.forwards[0].guest_port = 22;
    place->config.forwards[1].guest_port = DECLARED_PORT;
    for (size_t i = 0; i < UNDECLARED_COUNT; i++)
        place->config.forwards[2 + i].guest_port = undeclared_port(i);
}

static int connect_to(struct place *place, size_t forward)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint16_t port;

    assert_true(fd >= 0);
    assert_int_equal(vm_forwarded_port(place->vm, forward, &port, &place->f), 0);
    address.sin_port = htons(port);
    /* QEMU itself takes the connection; what counts is whether a server's words come through. */
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Whether an SSH server spoke on the connection; waits for it for as long as it may take. */
static bool has_banner(struct place *place, int fd, bool wait)
{
    uint64_t deadline = event_now_ns() + PATIENCE_NS;
    struct pollfd readable = { .fd = fd, .events = POLLIN };
    char bytes[8] = "";

    while (poll(&readable, 1, 0) == 0) {
        if (!wait || event_now_ns() > deadline)
            return false;
        /* Lets the machine's console run meanwhile. */
        assert_true(vm_step(place->vm, event_now_ns() + 10 * NS_PER_MS, &place->f) >= 0);
    }
    return recv(fd, bytes, 4, MSG_PEEK | MSG_DONTWAIT) == 4 && memcmp(bytes, "SSH-", 4) == 0;
}

static bool is_open(struct place *place, size_t forward)
{
    _cleanup_close_ int fd = connect_to(place, forward);

    return has_banner(place, fd, true);
}

static unsigned long long refused_packets(struct place *place)
{
    _cleanup_free_ char *output = as_root(place, "nft -j list counter inet broch refused");
    const char *packets = strstr(output, "\"packets\": ");
    unsigned long long count = 0;

    assert_non_null(packets);
    for (packets += strlen("\"packets\": "); *packets >= '0' && *packets <= '9'; packets++)
        count = 10 * count + (unsigned long long)(*packets - '0');
    return count;
}

/* Servers that answer on every port, declared or not: sshd says its name to whoever connects. */
static void start_servers(struct place *place)
{
    _cleanup_text_ struct text command = TEXT_INIT;

    text_add(&command,
             "mkdir -p -m 755 /run/sshd; ssh-keygen -q -t ed25519 -N '' -f /run/test.key;");
    for (size_t i = 0; i <= UNDECLARED_COUNT; i++) {
        if (i % PORTS_PER_SERVER == 0)
            text_addf(&command,
                      "%s /usr/sbin/sshd -f /dev/null -o PidFile=none -o AddressFamily=inet"
                      " -o MaxStartups=1000 -o PerSourcePenalties=no -h /run/test.key",
                      i > 0 ? ";" : "");
        text_addf(&command, " -p %d", i < UNDECLARED_COUNT ? undeclared_port(i) : DECLARED_PORT);
    }
    text_add(&command, "; ss -ltn | grep -c ' 0.0.0.0:[0-9]'");
    assert_int_equal(text_status(&command), 0);
    expect(place, true, text_string(&command), "46");
}

static void expect_closed(struct place *place)
{
    int fds[UNDECLARED_COUNT];
    unsigned long long before = refused_packets(place);
    uint64_t deadline = event_now_ns() + PATIENCE_NS;

    for (size_t i = 0; i < UNDECLARED_COUNT; i++)
        fds[i] = connect_to(place, 2 + i);
    /* Not a time but a count decides: every one of them was sent to the machine, which dropped it.
     */
    while (refused_packets(place) < before + UNDECLARED_COUNT)
        assert_true(event_now_ns() < deadline);
    assert_true(is_open(place, 1)); /* what came after them was answered */
    for (size_t i = 0; i < UNDECLARED_COUNT; i++) {
        if (has_banner(place, fds[i], false))
            fail_msg("port %u is open", undeclared_port(i));
        (void)close(fds[i]);
    }
}

static void declare_service(struct place *place)
{
    expect(place, true,
           "printf '%b' 'name = \"echo\"\\ndescription = \"Declares a port\"\\n"
           "run = [\"/usr/bin/sleep\", \"1000000\"]\\n[network]\\nmode = \"host\"\\n"
           "listen = [\"tcp/18080\"]\\n' >/etc/broch/services/echo.toml; echo o''k",
           "ok");
    configure(place, "[firewall]\\nallow = [\"udp/1\"]\\n");
    await_rule(place, "tcp dport 18080");
}

static void test_firewall(void **state)
{
    struct place *place = *state;

    add_forwards(place);
    boot(place);
    await(place, "ip -4 -o address", "10.0.2.15", true);
    start_servers(place);
    declare_service(place);
    expect_closed(place);
    /* Stopped, it leaves its rules. */
    expect(place, true, "s6-svc -T 60000 -wD -d /run/service/firewall; echo =$?", "=0");
    expect(place, true, "nft list chain inet broch input", "policy drop");
    expect_closed(place);
    /* The twin: the same servers, let in by the configuration. */
    configure(place, "[firewall]\\nallow = [\"tcp/1-65535\"]\\n");
    await_rule(place, "tcp dport 1-65535");
    for (size_t i = 0; i < UNDECLARED_COUNT; i++) {
        if (!is_open(place, 2 + i))
            fail_msg("port %u is closed", undeclared_port(i));
    }
    /* Only to whom it says. */
    configure(place, "[firewall]\\nallow = [\"tcp/1-65535 from 192.0.2.0/24\"]\\n");
    await_rule(place, "192.0.2.0/24");
    expect_closed(place);
}

/* --- Remote login --- */

static void try_login(struct place *place, const char *key, const char *user, const char *result)
{
    _cleanup_free_ char *command =
        text_make("ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no"
                  " -o UserKnownHostsFile=/dev/null -i %s %s@127.0.0.1 'id -un; doas -n true' 2>&1",
                  key, user);

    expect(place, false, command, result);
}

static void test_ssh(void **state)
{
    struct place *place = *state;
    _cleanup_free_ char *public = NULL, *toml = NULL;
    char *newline;

    add_forwards(place);
    boot(place);
    await(place, "ip -4 -o address", "10.0.2.15", true);
    expect(place, false,
           "ssh-keygen -q -t ed25519 -N '' -C me -f /tmp/mine;"
           "ssh-keygen -q -t ed25519 -N '' -C other -f /tmp/other; echo o''k",
           "ok");
    /* Without a key nobody listens, and the port is closed. */
    expect(place, false, "ss -ltn | grep -c ':22 '", "\n0");
    expect_not(place, true, "nft list chain inet broch input", "dport 22");
    public = run_inside(place, "cat /tmp/mine.pub");
    newline = strchr(strstr(public, "ssh-ed25519"), '\n');
    *newline = '\0';
    if (newline[-1] == '\r')
        newline[-1] = '\0';
    toml = text_make("[admin]\\nssh_keys = [\"%s\"]\\n", strstr(public, "ssh-ed25519"));
    configure(place, toml);
    await(place, "ss -ltn", ":22 ", true);
    await_rule(place, "tcp dport 22 ");
    assert_true(is_open(place, 0));
    try_login(place, "/tmp/mine", "admin", "admin\ndoas: Authentication required");
    try_login(place, "/tmp/other", "admin", "Permission denied (publickey)");
    try_login(place, "/tmp/mine", "root", "Permission denied (publickey)");
    expect(place, false,
           "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o PubkeyAuthentication=no"
           " -o UserKnownHostsFile=/dev/null admin@127.0.0.1 2>&1",
           "Permission denied (publickey)");
    /* What admin writes at home opens no door. */
    expect(place, false,
           "mkdir -p -m 700 ~/.ssh; cp /tmp/other.pub ~/.ssh/authorized_keys; echo o''k", "ok");
    try_login(place, "/tmp/other", "admin", "Permission denied (publickey)");
    /* The host key stays when the service is started anew. */
    expect(place, true, "cp /var/lib/ssh/ssh_host_ed25519_key /run/before; echo o''k", "ok");
    restart(place, "ssh");
    expect(place, true, "cmp /run/before /var/lib/ssh/ssh_host_ed25519_key && echo sa''me", "same");
    /* The key taken away: off, and closed. */
    configure(place, "");
    await(place, "ss -ltn", "0.0.0.0:22 ", false);
    await_as(place, true, "nft list chain inet broch input", "dport 22 ", false);
}

/* --- A network that goes and comes --- */

static void test_lease(void **state)
{
    struct place *place = *state;

    place->config.network = VM_NETWORK_USER; /* a restricted one names no router */
    boot(place);
    await(place, "cat /etc/resolv.conf", "nameserver 10.0.2.3", true);
    await(place, "cat /run/broch/network.json", "\"10.0.2.15/24\"", true);
    expect(place, false, "ip -4 route", "default via 10.0.2.2");
    assert_int_equal(vm_set_link(place->vm, false, &place->f), 0);
    await(place, "cat /etc/resolv.conf", "nameserver", false);
    await(place, "cat /run/broch/network.json", "\"carrier\":\"down\"", true);
    expect_not(place, false, "ip -4 route", "default");
    assert_int_equal(vm_set_link(place->vm, true, &place->f), 0);
    await(place, "cat /etc/resolv.conf", "nameserver 10.0.2.3", true);
    await(place, "ip -4 route", "default via 10.0.2.2", true);
    /* What the configuration says counts more than what the network says. */
    configure(place, "[network]\\ndns = [\"192.0.2.53\"]\\nsearch = [\"example.org\"]\\n"
                     "[[network.interface]]\\nname = \"eth0\"\\ndhcp = false\\n"
                     "addresses = [\"192.0.2.7/24\", \"2001:db8::7/64\"]\\n"
                     "gateway = \"192.0.2.1\"\\n");
    await(place, "cat /etc/resolv.conf", "nameserver 192.0.2.53", true);
    expect(place, false, "cat /etc/resolv.conf", "search example.org");
    expect_not(place, false, "cat /etc/resolv.conf", "10.0.2.3");
    await(place, "ip -o address", "192.0.2.7/24", true);
    await(place, "ip -o address", "2001:db8::7/64", true);
    await(place, "ip -4 route", "default via 192.0.2.1", true);
}

/* A machine without a card, and later with one: ready in between, and the driver comes. */
static void plug(struct place *place, const char *command, const char *const pairs[][2],
                 size_t count)
{
    json_object *arguments = json_object_new_object();

    for (size_t i = 0; i < count; i++)
        (void)json_object_object_add(arguments, pairs[i][0], json_object_new_string(pairs[i][1]));
    if (vm_qmp(place->vm, command, arguments, NULL, &place->f) < 0)
        fail_msg("%s: %s", command, place->f.text);
    json_object_put(arguments);
}

static void plug_card(struct place *place, const char *driver, const char *port)
{
    _cleanup_free_ char *network = text_make("network-%s", port);
    _cleanup_free_ char *card = text_make("card-%s", port);
    const char *const netdev[][2] = { { "type", "user" }, { "id", network } };
    const char *const device[][2] = { { "driver", driver },
                                      { "id", card },
                                      { "netdev", network },
                                      { "bus", port },
                                      { "romfile", "" } };

    plug(place, "netdev_add", netdev, ARRAY_SIZE(netdev));
    plug(place, "device_add", device, ARRAY_SIZE(device));
}

static void test_hotplug(void **state)
{
    struct place *place = *state;

    place->config.network = VM_NETWORK_NONE;
    place->config.extra[0] = "-device";
    place->config.extra[1] = "pcie-root-port,id=port1,chassis=1";
    place->config.extra[2] = "-device";
    place->config.extra[3] = "pcie-root-port,id=port2,chassis=2";
    boot(place);
    expect_not(place, false, "cat /proc/modules", "e1000e ");
    expect_not(place, false, "ip -o link", "2: ");
    plug_card(place, "e1000e", "port1");
    await(place, "cat /proc/modules", "e1000e ", true);
    await(place, "ip -4 -o address", "10.0.2.15", true);
    /* The twin: while the service stands still the card is seen and nobody drives it. */
    expect(place, true, "kill -STOP $(s6-svstat -o pid /run/service/devices); echo =$?", "=0");
    plug_card(place, "igb", "port2");
    await(place, "cat /sys/bus/pci/devices/*/device", "0x10c9", true);
    expect_not(place, false, "cat /proc/modules", "igb ");
    expect(place, true, "kill -CONT $(s6-svstat -o pid /run/service/devices); echo =$?", "=0");
    await(place, "cat /proc/modules", "igb ", true);
}

/* --- IPv6 alone, with a router of our own --- */

struct router {
    int fd;
    struct sockaddr_un guest;
    unsigned solicitations;
    uint8_t hop_limit;
    uint8_t resolver; /* last byte of the advertised server */
};

enum { ETHERNET_SIZE = 14, IPV6_SIZE = 40, FRAME_SIZE_MAX = 2048 };

static const uint8_t router_mac[] = { 0x02, 0, 0, 0, 0, 1 };

static uint16_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* RFC 4861, 4.2 and 4.6.2; RFC 8106, 5.1. */
static void advertise(struct router *router)
{
    /* One more byte than the message: the string's own end. */
    static const char text[] = "\x86\x00\x00\x00\x40\x00\x07\x08\x00\x00\x00\x00\x00\x00\x00\x00"
                               /* Prefix 2001:db8:1::/64, on this link, for addresses */
                               "\x03\x04\x40\xc0\x00\x00\x0e\x10\x00\x00\x07\x08\x00\x00\x00\x00"
                               "\x20\x01\x0d\xb8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
                               /* Name server 2001:db8:1::XX */
                               "\x19\x03\x00\x00\x00\x00\x07\x08"
                               "\x20\x01\x0d\xb8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff";
    enum { SIZE = sizeof(text) - 1 };
    uint8_t frame[ETHERNET_SIZE + IPV6_SIZE + SIZE] = { 0x33, 0x33, 0, 0, 0, 1 };
    uint8_t pseudo[IPV6_SIZE + SIZE] = { 0 };
    uint8_t *ip = frame + ETHERNET_SIZE, *message = ip + IPV6_SIZE;
    uint16_t sum;

    memcpy(frame + 6, router_mac, sizeof(router_mac));
    frame[12] = 0x86;
    frame[13] = 0xdd;
    ip[0] = 0x60;
    ip[5] = SIZE;
    ip[6] = IPPROTO_ICMPV6;
    ip[7] = router->hop_limit;
    memcpy(ip + 8, (const uint8_t[16]){ 0xfe, 0x80, [15] = 1 }, 16);
    memcpy(ip + 24, (const uint8_t[16]){ 0xff, 2, [15] = 1 }, 16);
    memcpy(message, text, SIZE);
    message[SIZE - 1] = router->resolver;
    memcpy(pseudo, ip + 8, 32);
    pseudo[35] = SIZE;
    pseudo[39] = IPPROTO_ICMPV6;
    memcpy(pseudo + IPV6_SIZE, message, SIZE);
    sum = checksum(pseudo, sizeof(pseudo));
    message[2] = (uint8_t)(sum >> 8);
    message[3] = (uint8_t)sum;
    (void)!sendto(router->fd, frame, sizeof(frame), MSG_DONTWAIT,
                  (const struct sockaddr *)&router->guest, sizeof(router->guest));
}

static int on_frame(struct event_source *source, int fd, uint32_t events, void *context)
{
    struct router *router = context;
    uint8_t frame[FRAME_SIZE_MAX];
    ssize_t size = recv(fd, frame, sizeof(frame), MSG_DONTWAIT);

    (void)source;
    (void)events;
    if (size > ETHERNET_SIZE + IPV6_SIZE && frame[12] == 0x86 && frame[13] == 0xdd &&
        frame[ETHERNET_SIZE + 6] == IPPROTO_ICMPV6 && frame[ETHERNET_SIZE + IPV6_SIZE] == 133) {
        router->solicitations++;
        advertise(router);
    }
    return 0;
}

static void name_socket(struct place *place, const char *name, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    assert_true(snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%s", place->machine, name) <
                (int)sizeof(ret->sun_path));
}

static void open_router(struct place *place, struct router *router)
{
    struct sockaddr_un own;

    /* The machine's folder, which QEMU sees as /vm, is there once the machine is open. */
    assert_int_equal(vm_open(&place->config, &place->vm, &place->f), 0);
    name_socket(place, "lan.router", &own);
    name_socket(place, "lan.guest", &router->guest);
    router->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(router->fd >= 0);
    assert_int_equal(bind(router->fd, (const struct sockaddr *)&own, sizeof(own)), 0);
}

static void test_ipv6_only(void **state)
{
    struct place *place = *state;
    struct router router = { .hop_limit = 64, .resolver = 0xbd };
    struct event_source *source;

    place->config.network = VM_NETWORK_NONE;
    place->config.extra[0] = "-netdev";
    place->config.extra[1] = "dgram,id=lan,local.type=unix,local.path=/vm/lan.guest,"
                             "remote.type=unix,remote.path=/vm/lan.router";
    place->config.extra[2] = "-device";
    place->config.extra[3] = "virtio-net-pci,netdev=lan,romfile=";
    use_direct(place, fixture_manifest.cmdline, artifact("system.erofs"));
    open_router(place, &router);
    assert_int_equal(
        event_add_fd(vm_loop(place->vm), router.fd, EPOLLIN, on_frame, &router, &source), 0);
    start(place);
    (void)expect_ready(place);
    login(place);
    /* One that came through another router is no router of this link. */
    while (router.solicitations < 2)
        assert_true(vm_step(place->vm, event_now_ns() + PATIENCE_NS, &place->f) > 0);
    expect_not(place, false, "ip -6 route; cat /etc/resolv.conf", "default");
    expect_not(place, false, "cat /etc/resolv.conf", "2001:db8:1::bd");
    router.hop_limit = 255;
    router.resolver = 0x53;
    advertise(&router);
    await(place, "ip -6 route", "default via fe80::1", true);
    await(place, "cat /etc/resolv.conf", "nameserver 2001:db8:1::53", true);
    await(place, "ip -6 -o address", "inet6 2001:db8:1:", true);
    await(place, "cat /run/broch/network.json", "\"addresses\":[\"2001:db8:1:", true);
    expect_not(place, false, "ip -4 -o address show dev eth0", "inet ");
    expect_not(place, false, "cat /etc/resolv.conf", "2001:db8:1::bd");
    event_source_free(source);
    (void)close(router.fd);
}

/* --- The clock --- */

static unsigned long long clock_of(struct place *place)
{
    _cleanup_free_ char *output = run_inside(place, "date +NOW=%s");
    const char *digits = strstr(output, "NOW=");
    unsigned long long seconds = 0;

    assert_non_null(digits);
    for (digits += 4; *digits >= '0' && *digits <= '9'; digits++)
        seconds = 10 * seconds + (unsigned long long)(*digits - '0');
    return seconds;
}

/* Years behind and without a network: ready, and never before the image was made. */
static void test_clock_behind(void **state)
{
    struct place *place = *state;

    place->config.clock = "2001-02-03T04:05:06";
    place->config.network = VM_NETWORK_NONE;
    boot(place);
    expect(place, false,
           ". /etc/os-release; test $(date +%s) -ge $BROCH_BUILD_DATE && echo la''ter", "later");
    expect(place, true, "test -S /var/lib/time/chronyd.sock && echo the''re", "there");
    /* What a power cut leaves: the number of a process that is another one by now. */
    free(as_root(place, "echo 1 >/var/lib/time/chronyd.pid; rm /var/lib/time/chronyd.sock; "
                        "pkill -9 -x chronyd"));
    await_as(place, true, "test -S /var/lib/time/chronyd.sock && echo aga''in", "again", true);
}

/* The twin: years ahead is what the clock chip says, and is believed. */
static void test_clock_ahead(void **state)
{
    struct place *place = *state;

    place->config.clock = "2033-05-18T03:33:20";
    place->config.network = VM_NETWORK_NONE;
    boot(place);
    assert_true(clock_of(place) >= YEAR_2033 && clock_of(place) < YEAR_2033 + 3600);
}

struct time_server {
    uint64_t started_ns;
    unsigned answers;
};

static void put_time(uint8_t *place, const struct time_server *server)
{
    uint64_t elapsed = event_now_ns() - server->started_ns;
    uint64_t seconds = NTP_EPOCH + YEAR_2033 + elapsed / NS_PER_S;
    uint64_t fraction = ((elapsed % NS_PER_S) << 32) / NS_PER_S;

    for (unsigned i = 0; i < 4; i++) {
        place[i] = (uint8_t)(seconds >> (24 - 8 * i));
        place[4 + i] = (uint8_t)(fraction >> (24 - 8 * i));
    }
}

/* RFC 5905, 7.3: a server of stratum 1 whose clock runs in 2033. */
static int on_request(struct event_source *source, int fd, uint32_t events, void *context)
{
    struct time_server *server = context;
    uint8_t request[NTP_SIZE], reply[NTP_SIZE] = { 0x24, 1, 6, 0xec, [12] = 'T', 'E', 'S', 'T' };
    struct sockaddr_in client;
    socklen_t size = sizeof(client);

    (void)source;
    (void)events;
    if (recvfrom(fd, request, sizeof(request), MSG_DONTWAIT, (struct sockaddr *)&client, &size) !=
        NTP_SIZE)
        return 0;
    server->answers++;
    put_time(reply + 16, server);
    memcpy(reply + 24, request + 40, 8); /* the client's transmit time comes back as origin */
    put_time(reply + 32, server);
    put_time(reply + 40, server);
    (void)!sendto(fd, reply, sizeof(reply), 0, (const struct sockaddr *)&client, size);
    return 0;
}

static int open_time_server(uint16_t *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* A server that is eight years ahead sets a young machine's clock at once, and nothing breaks. */
static void test_time_server(void **state)
{
    struct place *place = *state;
    struct time_server server = { .started_ns = event_now_ns() };
    _cleanup_free_ char *toml = NULL;
    _cleanup_close_ int fd = -1;
    struct event_source *source;
    uint16_t port;

    fd = open_time_server(&port);
    toml = text_make("[time]\\nservers = [\"10.0.2.2:%u\"]\\n", port);
    place->config.network = VM_NETWORK_USER;
    place->config.clock = "2026-12-01T00:00:00";
    boot(place);
    await(place, "ip -4 -o address", "10.0.2.15", true);
    assert_true(clock_of(place) < YEAR_2033);
    assert_int_equal(event_add_fd(vm_loop(place->vm), fd, EPOLLIN, on_request, &server, &source),
                     0);
    configure(place, toml);
    await(place, "date +%Y", "2033", true);
    assert_true(server.answers >= 3);
    assert_true(clock_of(place) >= YEAR_2033);
    /* Services did not notice. */
    expect(place, false, "broch status; echo =$?", "=0");
    event_source_free(source);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, place_setup, place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_firewall),    TEST(test_ssh),         TEST(test_lease),
        TEST(test_hotplug),     TEST(test_ipv6_only),   TEST(test_clock_behind),
        TEST(test_clock_ahead), TEST(test_time_server),
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
