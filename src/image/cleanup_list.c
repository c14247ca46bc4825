#include "image/cleanup_list.h"

#include <fnmatch.h>
#include <string.h>

#include "base/check.h"

/* A pattern that ends in two stars matches everything below a folder. */
static const struct cleanup_rule rules[] = {
    { "dev/**", "device nodes: devtmpfs makes them" },
    { "proc/**", "mount point" },
    { "sys/**", "mount point" },
    { "run/**", "tmpfs; what was there belongs to the build" },
    { "tmp/**", "tmpfs" },
    { "boot/**", "the kernel is in the UKI" },
    { "etc/ssh/ssh_host_*", "private keys that a maintainer script made" },
    { "etc/machine-id", "identity: made by the machine" },
    { "var/lib/dbus/machine-id", "identity: made by the machine" },
    { "etc/hostname", "copied from the build host" },
    { "etc/resolv.conf", "copied from the build host" },
    { "etc/hosts.*", "left by a tool" },
    { "etc/mtab", "a link to /proc comes from the overlay" },
    { "etc/.pwd.lock", "left by a tool" },
    { "etc/passwd-", "backup of the user database" },
    { "etc/group-", "backup of the user database" },
    { "etc/shadow-", "backup of the user database" },
    { "etc/gshadow-", "backup of the user database" },
    { "etc/subuid-", "backup of the user database" },
    { "etc/subgid-", "backup of the user database" },
    { "etc/apt/sources.list*",
      "the build's own archive" }, /* sources.list.d with its content too */
    { "etc/apt/apt.conf.d/99mmdebstrap", "the build's own settings" },
    { "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "the build's own settings" },
    { "var/lib/dpkg/**", "package database: the SBOM tells what is inside" },
    { "var/lib/apt/**", "indexes of the build's own archive" },
    { "var/cache/**", "caches" },
    { "var/log/**", "logs of the build" },
    { "var/tmp/**", "temporary" },
    { "var/backups/**", "copies of the package database" },
    { "root/.*", "shell start-up files: root has no login" },
    { "usr/share/doc/*/changelog*", "not read on a machine" },
    { "**/__pycache__/**", "holds times" },
    { "var/lib/systemd/random-seed", "a seed that every machine would share" },
    { "etc/adjtime", "the overlay links it to /var" },
};

const struct cleanup_rule *cleanup_rules(size_t *ret_count)
{
    *ret_count = ARRAY_SIZE(rules);
    return rules;
}

static bool matches(const char *pattern, const char *path)
{
    size_t length = strlen(pattern);

    if (strncmp(pattern, "**/", 3) == 0) {
        const char *middle = pattern + 3;
        size_t name = strcspn(middle, "/");

        for (const char *at = path; at; at = strchr(at, '/')) {
            at += *at == '/';
            if (strncmp(at, middle, name) == 0 && at[name] == '/')
                return true;
        }
        return false;
    }
    if (length > 3 && strcmp(pattern + length - 3, "/**") == 0)
        return strncmp(path, pattern, length - 2) == 0 && path[length - 2] != '\0';
    /* What is dropped as a folder takes its content with it. */
    return fnmatch(pattern, path, FNM_PATHNAME | FNM_LEADING_DIR) == 0;
}

const struct cleanup_rule *cleanup_match(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (matches(rules[i].pattern, path))
            return &rules[i];
    }
    return NULL;
}
