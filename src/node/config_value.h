/* Judges of single values in a machine's configuration. Each answers NULL when the text is good,
 * else what it must be, as base/schema.h wants it. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

/* One host name without dots. */
const char *config_check_hostname(const char *text);

/* A name below /usr/share/zoneinfo: "UTC", "Europe/Zurich". Whether it exists is not asked. */
const char *config_check_timezone(const char *text);

/* A line of authorized_keys(5) without options: type, base64, comment. A private key is no such
 * line, so it cannot slip into a file that everybody reads. */
const char *config_check_ssh_key(const char *text);

/* An IPv4 or IPv6 address. */
const char *config_check_address(const char *text);

/* An address with a prefix length: "192.0.2.7/24". */
const char *config_check_prefix(const char *text);

/* A time server: a host name with dots or an address and, behind a colon, a port other than 123.
 * An IPv6 address with a port stands in brackets. */
enum { CONFIG_HOST_SIZE = 256 };
struct config_server {
    char host[CONFIG_HOST_SIZE];
    uint16_t port; /* 0: the usual one */
};

/* Returns 0, or -EBADMSG with *ret undefined. */
MUST_USE int config_parse_server(const char *text, struct config_server *ret);

/* The judge that goes with it. */
const char *config_check_server(const char *text);

/* A DNS domain. */
const char *config_check_domain(const char *text);

/* The name of a network interface (1 to 15 bytes). */
const char *config_check_interface(const char *text);

/* The name of a service. */
const char *config_check_service(const char *text);

enum config_protocol { CONFIG_TCP, CONFIG_UDP };

enum { CONFIG_PREFIX_SIZE = 64 };

/* One opening of the firewall. */
struct config_allow {
    enum config_protocol protocol;
    uint16_t first, last;          /* ports; equal for one */
    char from[CONFIG_PREFIX_SIZE]; /* "10.0.0.0/8", or "" for everybody */
    bool is_ipv6;                  /* of `from` */
};

/* Reads `("tcp" | "udp") "/" port ["-" port] [" from " address ["/" length]]`. Returns 0, or
 * -EBADMSG with *ret undefined. */
MUST_USE int config_parse_allow(const char *text, struct config_allow *ret);

/* The judge that goes with it. */
const char *config_check_allow(const char *text);
