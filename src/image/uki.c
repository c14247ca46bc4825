/* Step "uki": kernel, initrd, command line and the rest in one PE file, built unsigned by ukify and
 * signed by osslsigncode with a fixed time. Outputs: linux.efi, pcr.json (predicted values). */
#include "image/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>
#include <sodium.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "disk/epoch.h"
#include "image/pcr.h"
#include "image/tool.h"
#include "sys/file.h"

enum { INSPECT_MAX = 1 << 20, RELEASE_MAX = 256 };

#define STUB "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"

/* Generation numbers for revocation: https://github.com/rhboot/shim/blob/main/SBAT.md */
#define SBAT                                                                                       \
    "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n"                \
    "broch,1,Broch,broch," BROCH_VERSION ",-\n"

/* What the inner functions of this step share. */
struct uki {
    const struct build *build;
    const char *folder;
    struct tool tool;
    char *release;
    struct digest after_stub;
    struct digest enter_initrd;
    struct digest policy;
};

static int write_beside(const struct uki *uki, const char *name, const void *bytes, size_t size,
                        struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", uki->folder, name);

    return path ? file_write(path, bytes, size, 0644, f)
                : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* Without `pcrsig` for the measurement, with it for real: the stub does not measure that section.
 */
static int run_ukify(const struct uki *uki, const char *output, bool pcrsig, struct failure *f)
{
    struct arguments arguments =
        ARGUMENTS("ukify", "build", "--stub=" STUB, "--linux=/run/kernel/vmlinuz",
                  "--initrd=/run/initrd/initrd", "--cmdline=@/run/initrd/cmdline",
                  "--os-release=@.osrel", "--uname", uki->release, "--sbat=@.sbat",
                  "--pcrpkey=/run/keys/pcr.pub", "--output", output);

    if (pcrsig)
        arguments_add(&arguments, "--section=.pcrsig:@.pcrsig");
    return tool_run(&uki->tool, &arguments, f);
}

/* The sections that every UKI of ours has. */
static bool has_all(const struct pcr_section *sections, size_t count)
{
    static const char *const names[] = { ".linux", ".osrel", ".cmdline", ".initrd",
                                         ".uname", ".sbat",  ".pcrpkey" };
    size_t found = 0;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        for (size_t j = 0; j < count; j++)
            found += strcmp(sections[j].name, names[i]) == 0;
    }
    return found == ARRAY_SIZE(names);
}

static int add_section(const char *name, struct json_object *value, struct pcr_section *ret)
{
    struct json_object *digest;
    const char *digits;

    if (!json_object_object_get_ex(value, "sha256", &digest))
        return -EBADMSG;
    digits = json_object_get_string(digest);
    ret->name = name;
    return digits ? hex_decode(digits, strlen(digits), ret->content.bytes, DIGEST_SIZE) : -EBADMSG;
}

/* Predicts PCR 11 from ukify's own account of the sections. */
static int measure(struct uki *uki, const char *name, struct failure *f)
{
    const struct arguments arguments = ARGUMENTS("ukify", "--json=short", "inspect", name);
    struct pcr_section sections[PCR_SECTIONS_MAX];
    _cleanup_free_ char *output = NULL;
    struct json_object *document;
    size_t size, count = 0;
    int r = tool_capture(&uki->tool, &arguments, INSPECT_MAX, &output, &size, f);

    if (r < 0)
        return r;
    document = json_tokener_parse(output);
    if (!document || !json_object_is_type(document, json_type_object))
        r = -EBADMSG;
    if (r == 0) {
        struct json_object_iterator at = json_object_iter_begin(document);
        const struct json_object_iterator end = json_object_iter_end(document);

        for (; r == 0 && !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
            /* One section less in the account would be another PCR than the machine's. */
            if (count >= PCR_SECTIONS_MAX)
                r = -ERANGE;
            else
                r = add_section(json_object_iter_peek_name(&at), json_object_iter_peek_value(&at),
                                &sections[count++]);
        }
    }
    if (r == 0 && !has_all(sections, count))
        r = -EBADMSG;
    if (r == 0) {
        uki->after_stub = pcr_after_stub(sections, count);
        uki->enter_initrd = pcr_after_word(&uki->after_stub, "enter-initrd");
        uki->policy = pcr_policy(&uki->enter_initrd, (uint64_t)uki->build->profile.epoch);
    }
    json_object_put(document);
    return r < 0 ? failure_set(f, CODE_STEP_FAILED, r, "ukify describes the UKI in an unknown way")
                 : 0;
}

/* The .pcrsig section: systemd's form, with the epoch beside it. The policy in it is the one with
 * the epoch condition (pcr.h); the plain one is never shipped. */
static int write_pcrsig(const struct uki *uki, struct failure *f)
{
    char fingerprint_text[DIGEST_TEXT_SIZE], policy_text[DIGEST_TEXT_SIZE];
    _cleanup_free_ uint8_t *signature = NULL;
    _cleanup_free_ char *encoded = NULL, *json = NULL;
    struct digest fingerprint;
    size_t size, length;
    int r = keys_pcr_fingerprint(&uki->build->keys, &fingerprint, f);

    if (r == 0)
        r = keys_sign_pcr(&uki->build->keys, uki->policy.bytes, DIGEST_SIZE, &signature, &size, f);
    if (r < 0)
        return r;
    length = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL);
    encoded = malloc(length);
    if (encoded)
        (void)sodium_bin2base64(encoded, length, signature, size, sodium_base64_VARIANT_ORIGINAL);
    json = text_make("{\"sha256\":[{\"pcrs\":[%d],\"pkfp\":\"%s\",\"pol\":\"%s\",\"sig\":\"%s\","
                     "\"epoch\":%lld,\"nv\":\"0x%08x\"}]}",
                     PCR_KERNEL_BOOT, digest_text(&fingerprint, fingerprint_text),
                     digest_text(&uki->policy, policy_text), encoded ? encoded : "",
                     (long long)uki->build->profile.epoch, EPOCH_INDEX);
    if (!encoded || !json)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return write_beside(uki, ".pcrsig", json, strlen(json), f);
}

static int write_prediction(const struct uki *uki, struct failure *f)
{
    char stub[DIGEST_TEXT_SIZE], enter[DIGEST_TEXT_SIZE], policy[DIGEST_TEXT_SIZE];
    _cleanup_free_ char *json =
        text_make("{\"stub\":\"%s\",\"enter-initrd\":\"%s\",\"policy\":\"%s\"}\n",
                  digest_text(&uki->after_stub, stub), digest_text(&uki->enter_initrd, enter),
                  digest_text(&uki->policy, policy));

    return json ? write_beside(uki, "pcr.json", json, strlen(json), f)
                : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static int sign(const struct uki *uki, struct failure *f)
{
    struct tool tool = uki->tool;
    _cleanup_free_ char *certificate = text_make("%s/db.crt", uki->build->keys.folder);
    _cleanup_free_ char *key = text_make("%s/db.key", uki->build->keys.folder);
    char date[32];
    struct arguments arguments;

    if (!certificate || !key)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    tool_bind(&tool, certificate, "/run/keys/db.crt", true);
    tool_bind(&tool, key, "/run/keys/db.key", true);
    (void)snprintf(date, sizeof(date), "%llu", (unsigned long long)uki->build->supply.lock.date);
    arguments =
        ARGUMENTS("osslsigncode", "sign", "-certs", "/run/keys/db.crt", "-key", "/run/keys/db.key",
                  "-h", "sha256", "-time", date, "-in", ".unsigned.efi", "-out", "linux.efi");
    return tool_run(&tool, &arguments, f);
}

static int remove_scratch(const struct uki *uki, struct failure *f)
{
    static const char *const names[] = { ".osrel", ".sbat", ".pcrsig", ".plain.efi",
                                         ".unsigned.efi" };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *path = text_make("%s/%s", uki->folder, names[i]);

        r = path ? file_remove_tree(path, f) : failure_set(f, CODE_INTERNAL, -ENOMEM, "memory");
    }
    return r;
}

static int make(struct uki *uki, struct failure *f)
{
    int r = write_beside(uki, ".osrel", uki->build->os_release, strlen(uki->build->os_release), f);

    if (r == 0)
        r = write_beside(uki, ".sbat", SBAT, strlen(SBAT), f);
    if (r == 0)
        r = run_ukify(uki, ".plain.efi", false, f);
    if (r == 0)
        r = measure(uki, ".plain.efi", f);
    if (r == 0)
        r = write_pcrsig(uki, f);
    if (r == 0)
        r = run_ukify(uki, ".unsigned.efi", true, f);
    if (r == 0)
        r = sign(uki, f);
    if (r == 0)
        r = write_prediction(uki, f);
    return r < 0 ? r : remove_scratch(uki, f);
}

static int run(const char *folder, void *context, struct failure *f)
{
    struct build *build = context;
    struct uki uki = { .build = build,
                       .folder = folder,
                       .tool = tool_make(&build->tree, "uki", build->supply.lock.date) };
    _cleanup_free_ char *release_path = step_path(&build->kernel, "release");
    _cleanup_free_ char *pcr_public = text_make("%s/pcr.pub", build->keys.folder);
    _cleanup_free_ uint8_t *release = NULL;
    size_t size;
    int r;

    if (!release_path || !pcr_public || sodium_init() < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = file_read(release_path, RELEASE_MAX, &release, &size, f);
    if (r < 0)
        return r;
    uki.release = (char *)release;
    tool_bind(&uki.tool, folder, "/run/out", false);
    tool_bind(&uki.tool, build->kernel.folder, "/run/kernel", true);
    tool_bind(&uki.tool, build->initrd.folder, "/run/initrd", true);
    /* Each tool sees the keys that it needs and no other: the signer gets its own binds. */
    tool_bind(&uki.tool, pcr_public, "/run/keys/pcr.pub", true);
    uki.tool.folder = "/run/out";
    return make(&uki, f);
}

int build_uki(struct build *build, struct failure *f)
{
    step_init(&build->uki, "uki");
    step_input_digest(&build->uki, "tools", &build->tree.digest);
    step_input_digest(&build->uki, "vmlinuz", &step_output(&build->kernel, "vmlinuz")->digest);
    step_input_digest(&build->uki, "initrd", &build->initrd.result);
    step_input_text(&build->uki, "os-release", build->os_release);
    step_input_text(&build->uki, "sbat", SBAT);
    step_input_digest(&build->uki, "keys", &build->keys.digest);
    step_input_number(&build->uki, "epoch", (uint64_t)build->profile.epoch);
    step_input_number(&build->uki, "epoch-attributes", EPOCH_ATTRIBUTES);
    step_input_number(&build->uki, "date", build->supply.lock.date);
    return step_do(&build->uki, &build->shared, run, build, f);
}
