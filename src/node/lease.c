#include "node/lease.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "node/config_value.h"

enum { WORD_MAX = 256, VARIABLE_SIZE = 96 };

#define LEASE_SECONDS_MAX UINT32_MAX

struct report {
    lease_get get;
    void *context;
};

static const char *look_up(const struct report *report, const char *name)
{
    const char *value = report->get(name, report->context);

    return value ? value : "";
}

/* --- Checked words --- */

typedef bool (*word_judge)(const char *word);

static bool is_address(const char *word)
{
    return config_check_address(word) == NULL;
}

/* An address of the link alone says on which link: "fe80::2%eth0". */
static bool is_server(const char *word)
{
    const char *percent = strchr(word, '%');
    char address[WORD_MAX];

    if (!percent)
        return is_address(word);
    (void)snprintf(address, sizeof(address), "%.*s", (int)(percent - word), word);
    return is_address(address) && config_check_interface(percent + 1) == NULL;
}

static bool is_prefix(const char *word)
{
    return config_check_prefix(word) == NULL;
}

/* dhcpcd tells addresses with and without their prefix. */
static bool is_own_address(const char *word)
{
    return is_address(word) || is_prefix(word);
}

static bool is_domain(const char *word)
{
    return config_check_domain(word) == NULL;
}

static bool is_reason(const char *word)
{
    return word[0] != '\0' && word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

static bool holds(json_object *list, const char *word)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), word) == 0)
            return true;
    }
    return false;
}

/* Adds the words of a text to a list: those that are proper and new. */
static void add_words(json_object *list, const char *text, word_judge judge)
{
    while (*text != '\0' && json_object_array_length(list) < LEASE_VALUES_MAX) {
        size_t length = strcspn(text, " ");
        char word[WORD_MAX];

        if (length > 0 && length < sizeof(word)) {
            memcpy(word, text, length);
            word[length] = '\0';
            if (judge(word) && !holds(list, word))
                (void)json_object_array_add(list, json_object_new_string(word));
        }
        text += length;
        text += strspn(text, " ");
    }
}

/* --- A report --- */

/* Which variables each protocol has; an index stands for %u. */
static const struct variable {
    const char *protocol, *key, *name;
    word_judge judge;
} variables[] = {
    { "dhcp", "routers", "new_routers", is_address },
    { "dhcp", "dns", "new_domain_name_servers", is_address },
    { "dhcp", "search", "new_domain_search", is_domain },
    { "dhcp", "search", "new_domain_name", is_domain },
    { "dhcp", "ntp", "new_ntp_servers", is_address },
    { "dhcp6", "addresses", "new_dhcp6_ia_na%u_ia_addr1", is_own_address },
    { "dhcp6", "addresses", "new_dhcp6_ia_na%u_ia_addr2", is_own_address },
    { "dhcp6", "dns", "new_dhcp6_name_servers", is_server },
    { "dhcp6", "search", "new_dhcp6_domain_search", is_domain },
    { "dhcp6", "ntp", "new_dhcp6_sntp_servers", is_address },
    { "ra", "routers", "nd%u_from", is_address },
    { "ra", "addresses", "nd%u_addr1", is_own_address },
    { "ra", "addresses", "nd%u_addr2", is_own_address },
    { "ra", "dns", "nd%u_rdnss1_servers", is_server },
    { "ra", "dns", "nd%u_rdnss2_servers", is_server },
    { "ra", "search", "nd%u_dnssl1_search", is_domain },
    { "ra", "search", "nd%u_dnssl2_search", is_domain },
};

static void add_variable(json_object *list, const struct report *report,
                         const struct variable *variable)
{
    const char *place = strstr(variable->name, "%u");
    char name[VARIABLE_SIZE];

    if (!place) {
        add_words(list, look_up(report, variable->name), variable->judge);
        return;
    }
    for (unsigned i = 1; i <= LEASE_ROUTERS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "%.*s%u%s", (int)(place - variable->name),
                       variable->name, i, place + 2);
        add_words(list, look_up(report, name), variable->judge);
    }
}

/* IPv4 addresses come in two parts. */
static void add_dhcp_address(json_object *list, const struct report *report)
{
    char text[WORD_MAX];

    (void)snprintf(text, sizeof(text), "%s/%s", look_up(report, "new_ip_address"),
                   look_up(report, "new_subnet_cidr"));
    add_words(list, text, is_prefix);
}

static json_object *make_lease(const struct report *report, const char *protocol,
                               const char *reason)
{
    static const char *const keys[] = { "addresses", "routers", "dns", "search", "ntp" };
    json_object *lease = json_object_new_object();
    uint64_t seconds;

    (void)json_object_object_add(lease, "reason", json_object_new_string(reason));
    for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
        json_object *list = json_object_new_array();

        (void)json_object_object_add(lease, keys[k], list);
        if (k == 0 && strcmp(protocol, "dhcp") == 0)
            add_dhcp_address(list, report);
        for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
            if (strcmp(variables[i].protocol, protocol) == 0 &&
                strcmp(variables[i].key, keys[k]) == 0)
                add_variable(list, report, &variables[i]);
        }
    }
    if (number_parse_text(look_up(report, "new_dhcp_lease_time"), LEASE_SECONDS_MAX, &seconds) == 0)
        (void)json_object_object_add(lease, "lease_seconds",
                                     json_object_new_int64((int64_t)seconds));
    return lease;
}

static json_object *get_object(json_object *parent, const char *key)
{
    json_object *found = NULL;

    if (json_object_object_get_ex(parent, key, &found) &&
        json_object_is_type(found, json_type_object))
        return found;
    return NULL;
}

static json_object *get_or_make(json_object *parent, const char *key)
{
    json_object *found = get_object(parent, key);

    if (!found) {
        found = json_object_new_object();
        (void)json_object_object_add(parent, key, found);
    }
    return found;
}

static void take_order(json_object *facts, const struct report *report)
{
    json_object *order = json_object_new_array();
    const char *text = look_up(report, "interface_order");

    /* Shares the bound of all lists: interfaces behind it come last. */
    while (*text != '\0' && json_object_array_length(order) < LEASE_INTERFACES_MAX) {
        size_t length = strcspn(text, " ");
        char word[WORD_MAX];

        (void)snprintf(word, sizeof(word), "%.*s", (int)length, text);
        if (config_check_interface(word) == NULL)
            (void)json_object_array_add(order, json_object_new_string(word));
        text += length;
        text += strspn(text, " ");
    }
    (void)json_object_object_add(facts, "order", order);
}

static bool is_true(const struct report *report, const char *name)
{
    return strcmp(look_up(report, name), "true") == 0;
}

/* The link itself: a cable that is out takes all leases with it, an interface that is gone itself.
 */
static void apply_link(json_object *interfaces, const char *name, const char *reason, bool down)
{
    json_object *interface;

    if (strcmp(reason, "DEPARTED") == 0 || strcmp(reason, "STOPPED") == 0) {
        json_object_object_del(interfaces, name);
        return;
    }
    interface = get_or_make(interfaces, name);
    if (down)
        json_object_object_del(interface, "leases");
}

int lease_apply(json_object *facts, lease_get get, void *context)
{
    const struct report report = { get, context };
    const char *name = look_up(&report, "interface"), *protocol = look_up(&report, "protocol");
    const char *reason = look_up(&report, "reason"), *carrier = look_up(&report, "ifcarrier");
    json_object *interfaces = get_or_make(facts, "interfaces"), *interface;

    if (config_check_interface(name) != NULL || !is_reason(reason) || protocol[0] == '\0' ||
        protocol[strspn(protocol, "abcdefghijklmnopqrstuvwxyz0123456789")] != '\0')
        return -EBADMSG;
    if (!get_object(interfaces, name) &&
        json_object_object_length(interfaces) >= LEASE_INTERFACES_MAX)
        return -ENOSPC;
    take_order(facts, &report);
    if (strcmp(protocol, "link") == 0) {
        apply_link(interfaces, name, reason, is_true(&report, "if_down"));
    } else if (is_true(&report, "if_up")) {
        json_object *leases = get_or_make(get_or_make(interfaces, name), "leases");

        (void)json_object_object_add(leases, protocol, make_lease(&report, protocol, reason));
    } else if (is_true(&report, "if_down")) {
        json_object *leases = get_object(get_or_make(interfaces, name), "leases");

        if (leases)
            json_object_object_del(leases, protocol);
    }
    interface = get_object(interfaces, name);
    if (interface)
        (void)json_object_object_add(interface, "carrier",
                                     json_object_new_string(strcmp(carrier, "up") == 0 ? "up"
                                                            : strcmp(carrier, "down") == 0
                                                                ? "down"
                                                                : "unknown"));
    return 0;
}

json_object *lease_facts_new(void)
{
    return json_object_new_object();
}

json_object *lease_facts_parse(const char *text)
{
    json_object *facts = json_tokener_parse(text);

    if (facts && json_object_is_type(facts, json_type_object))
        return facts;
    json_object_put(facts);
    return NULL;
}

/* --- What is made of the facts --- */

/* All values of one kind: interfaces in dhcpcd's order, which is that of the routes, then the
 * others. */
static void gather_interface(json_object *interface, const char *key, json_object *list,
                             word_judge judge)
{
    json_object *leases = get_object(interface, "leases");
    struct json_object_iterator at, end;

    if (!leases)
        return;
    at = json_object_iter_begin(leases);
    end = json_object_iter_end(leases);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        json_object *values = NULL;

        if (!json_object_object_get_ex(json_object_iter_peek_value(&at), key, &values) ||
            !json_object_is_type(values, json_type_array))
            continue;
        for (size_t i = 0; i < json_object_array_length(values); i++)
            add_words(list, json_object_get_string(json_object_array_get_idx(values, i)), judge);
    }
}

static json_object *gather(json_object *facts, const char *key, word_judge judge)
{
    json_object *list = json_object_new_array(), *order = NULL;
    json_object *interfaces = get_object(facts, "interfaces");
    struct json_object_iterator at, end;

    if (!interfaces)
        return list;
    if (json_object_object_get_ex(facts, "order", &order) &&
        json_object_is_type(order, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(order); i++) {
            const char *name = json_object_get_string(json_object_array_get_idx(order, i));
            json_object *interface = name ? get_object(interfaces, name) : NULL;

            if (interface)
                gather_interface(interface, key, list, judge);
        }
    }
    at = json_object_iter_begin(interfaces);
    end = json_object_iter_end(interfaces);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        json_object *interface = json_object_iter_peek_value(&at);

        /* What is in the list already is not added again. */
        if (json_object_is_type(interface, json_type_object))
            gather_interface(interface, key, list, judge);
    }
    return list;
}

static void add_list(struct text *t, const char *prefix, const char *between, const char *suffix,
                     json_object *list, size_t count_max)
{
    size_t count = json_object_array_length(list);

    for (size_t i = 0; i < count && i < count_max; i++)
        text_addf(t, "%s%s", i == 0 ? prefix : between,
                  json_object_get_string(json_object_array_get_idx(list, i)));
    if (count > 0)
        text_add(t, suffix);
}

static json_object *choose(json_object *facts, const struct schema_list *wanted, const char *key,
                           word_judge judge)
{
    json_object *list;

    if (wanted->count == 0)
        return gather(facts, key, judge);
    list = json_object_new_array();
    for (size_t i = 0; i < wanted->count; i++)
        add_words(list, wanted->items[i], judge);
    return list;
}

void lease_word_resolver(json_object *facts, const struct schema_list *dns,
                         const struct schema_list *search, struct text *t)
{
    json_object *servers = choose(facts, dns, "dns", is_server);
    json_object *domains = choose(facts, search, "search", is_domain);

    text_add(t, "# Made by the service network, anew with each change of a network.\n");
    add_list(t, "search ", " ", "\n", domains, LEASE_SEARCH_MAX);
    add_list(t, "nameserver ", "\nnameserver ", "\n", servers, LEASE_NAMESERVERS_MAX);
    json_object_put(servers);
    json_object_put(domains);
}

void lease_word_time_sources(json_object *facts, struct text *t)
{
    json_object *servers = gather(facts, "ntp", is_address);

    add_list(t, "server ", " iburst\nserver ", " iburst\n", servers, LEASE_VALUES_MAX);
    json_object_put(servers);
}
