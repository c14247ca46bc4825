#include "node/config_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/number.h"
#include "node/names.h"

enum {
    DOMAIN_LENGTH_MAX = 253, /* RFC 1035 */
    INTERFACE_LENGTH_MAX = 15,
    PORT_MAX = UINT16_MAX,
    IPV4_BITS = 32,
    IPV6_BITS = 128,
};

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static bool consists_of(const char *text, size_t length, const char *more)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\0' || (!strchr(letters, text[i]) && !strchr(more, text[i])))
            return false;
    }
    return length > 0;
}

const char *config_check_hostname(const char *text)
{
    return name_is_host(text, strlen(text)) ? NULL
                                            : "must be letters, digits and inner hyphens, at most "
                                              "63, without dots";
}

const char *config_check_timezone(const char *text)
{
    for (const char *part = text;;) {
        size_t length = strcspn(part, "/");

        if (!consists_of(part, length, "_+-"))
            return "must be a name below /usr/share/zoneinfo, such as Europe/Zurich";
        if (part[length] == '\0')
            return NULL;
        part += length + 1;
    }
}

static bool is_key_type(const char *text, size_t length)
{
    static const char *const types[] = {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    };

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (strlen(types[i]) == length && memcmp(types[i], text, length) == 0)
            return true;
    }
    return false;
}

const char *config_check_ssh_key(const char *text)
{
    static const char wrong[] = "must be a public key: type, base64 and a comment, as in id_*.pub";
    size_t type = strcspn(text, " ");
    size_t key;

    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == '\x7f')
            return wrong;
    }
    if (!is_key_type(text, type) || text[type] != ' ')
        return wrong;
    key = strcspn(text + type + 1, " ");
    return consists_of(text + type + 1, key, "+/=") ? NULL : wrong;
}

/* The number of bits of an address of this kind, 0 when the text is none. */
static unsigned address_bits(const char *text)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, text, bytes) == 1)
        return IPV4_BITS;
    return inet_pton(AF_INET6, text, bytes) == 1 ? IPV6_BITS : 0;
}

const char *config_check_address(const char *text)
{
    return address_bits(text) > 0 ? NULL : "must be an IPv4 or IPv6 address";
}

/* *ret_bits is the length behind the slash, or all bits when there is none. */
static bool split_prefix(const char *text, bool needs_length, unsigned *ret_family_bits)
{
    char address[CONFIG_PREFIX_SIZE];
    size_t length = strcspn(text, "/");
    uint64_t bits;

    if (length >= sizeof(address) || strlen(text) >= CONFIG_PREFIX_SIZE)
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    *ret_family_bits = address_bits(address);
    if (*ret_family_bits == 0)
        return false;
    if (text[length] == '\0')
        return !needs_length;
    return number_parse_text(text + length + 1, *ret_family_bits, &bits) == 0;
}

const char *config_check_prefix(const char *text)
{
    unsigned bits;

    return split_prefix(text, true, &bits)
               ? NULL
               : "must be an address with the length of its prefix, such as 192.0.2.7/24";
}

static bool is_domain(const char *text)
{
    if (strlen(text) > DOMAIN_LENGTH_MAX)
        return false;
    for (const char *label = text;;) {
        size_t length = strcspn(label, ".");

        if (!name_is_host(label, length))
            return false;
        if (label[length] == '\0')
            return true;
        label += length + 1;
    }
}

const char *config_check_domain(const char *text)
{
    return is_domain(text) ? NULL : "must be a domain name";
}

/* Where the host ends; an IPv6 address without brackets has colons, but no port. */
static bool split_server(const char *text, const char **ret_host, size_t *ret_length,
                         const char **ret_port)
{
    const char *end;

    *ret_port = NULL;
    *ret_host = text;
    *ret_length = strlen(text);
    if (text[0] == '[') {
        end = strchr(text, ']');
        if (!end || (end[1] != ':' && end[1] != '\0'))
            return false;
        *ret_host = text + 1;
        *ret_length = (size_t)(end - text) - 1;
        *ret_port = end[1] == ':' ? end + 2 : NULL;
    } else if (address_bits(text) == 0 && (end = strchr(text, ':'))) {
        *ret_length = (size_t)(end - text);
        *ret_port = end + 1;
    }
    return *ret_length < CONFIG_HOST_SIZE;
}

int config_parse_server(const char *text, struct config_server *ret)
{
    const char *host, *port_text;
    uint64_t port = 0;
    size_t length;

    if (!split_server(text, &host, &length, &port_text))
        return -EBADMSG;
    memcpy(ret->host, host, length);
    ret->host[length] = '\0';
    if (text[0] == '[' ? address_bits(ret->host) != IPV6_BITS
                       : address_bits(ret->host) == 0 && !is_domain(ret->host))
        return -EBADMSG;
    if (port_text && (number_parse_text(port_text, UINT16_MAX, &port) < 0 || port == 0))
        return -EBADMSG;
    ret->port = (uint16_t)port;
    return 0;
}

const char *config_check_server(const char *text)
{
    struct config_server server;

    return config_parse_server(text, &server) == 0
               ? NULL
               : "must be a host name or an address, perhaps with a port: ntp.example.org:1123";
}

const char *config_check_interface(const char *text)
{
    size_t length = strlen(text);

    return length <= INTERFACE_LENGTH_MAX && consists_of(text, length, "._-") && text[0] != '.'
               ? NULL
               : "must be the name of an interface, as 'ip link' shows it";
}

const char *config_check_service(const char *text)
{
    return consists_of(text, strlen(text), "_-") && text[0] != '-'
               ? NULL
               : "must be letters, digits, '-' and '_'";
}

static int parse_ports(const char *text, size_t length, struct config_allow *ret)
{
    const char *dash = memchr(text, '-', length);
    size_t first_length = dash ? (size_t)(dash - text) : length;
    uint64_t first, last;

    if (number_parse(text, first_length, PORT_MAX, &first) < 0 || first == 0)
        return -EBADMSG;
    last = first;
    if (dash && number_parse(dash + 1, length - first_length - 1, PORT_MAX, &last) < 0)
        return -EBADMSG;
    if (last < first)
        return -EBADMSG;
    ret->first = (uint16_t)first;
    ret->last = (uint16_t)last;
    return 0;
}

int config_parse_allow(const char *text, struct config_allow *ret)
{
    static const char from[] = " from ";
    size_t ports;
    unsigned bits;

    *ret = (struct config_allow){ .from = "" };
    if (strncmp(text, "tcp/", 4) == 0)
        ret->protocol = CONFIG_TCP;
    else if (strncmp(text, "udp/", 4) == 0)
        ret->protocol = CONFIG_UDP;
    else
        return -EBADMSG;
    text += 4;
    ports = strcspn(text, " ");
    if (parse_ports(text, ports, ret) < 0)
        return -EBADMSG;
    text += ports;
    if (*text == '\0')
        return 0;
    if (strncmp(text, from, strlen(from)) != 0)
        return -EBADMSG;
    text += strlen(from);
    if (!split_prefix(text, false, &bits))
        return -EBADMSG;
    memcpy(ret->from, text, strlen(text) + 1);
    ret->is_ipv6 = bits == IPV6_BITS;
    return 0;
}

const char *config_check_allow(const char *text)
{
    struct config_allow allow;

    return config_parse_allow(text, &allow) == 0
               ? NULL
               : "must be such as \"tcp/8080\", \"udp/5000-5010\" or \"tcp/22 from 10.0.0.0/8\"";
}
