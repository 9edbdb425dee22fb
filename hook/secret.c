/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * See secret.h. A file with the secret is read when the parameters are: at the start, at each reload and
 * by config-test; the service never touches it.
 *
 * OpenSSL's context of a hash is made with the configuration, and used again for each message, on the
 * network's thread and under the service's lock. It may want memory then; without any, a message is
 * neither signed nor accepted.
 */
#include "hook/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

enum { SECRET_GOOD = 16, SHOWN_MAX = 60 };

/* What config-get shows in place of a secret (shim/config.cc). */
static const char redacted[] = "*****";

#define FAIL(error, size, ...) (snprintf(error, size, __VA_ARGS__), false)

/* ------------------------------------------------------------------ from the parameters */

static bool take(struct fo_config_relationship *relationship, const char *bytes, size_t length)
{
    if (length > FO_SECRET_MAX)
        return false;
    memcpy(relationship->secret, bytes, length);
    relationship->secret_length = (uint16_t)length;
    relationship->secret_short = length < SECRET_GOOD;
    return true;
}

/* The whole file, which must be a plain one: reading anything else could wait for ever. The length that
   was read, or -1 with errno. */
static ssize_t read_file(const char *path, char *bytes, size_t size, mode_t *mode)
{
    struct stat status;
    ssize_t length = -1;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return -1;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        errno = EINVAL;
    } else {
        *mode = status.st_mode;
        length = read(file, bytes, size);
    }
    const int error = errno;
    close(file);
    errno = error;
    return length;
}

static bool read_secret_file(const char *path, struct fo_config_relationship *relationship,
                             char *error, size_t size)
{
    char bytes[FO_SECRET_MAX + 3]; /* a line's end, and one more that shows a file that is too long */
    mode_t mode = 0;
    ssize_t length = read_file(path, bytes, sizeof bytes, &mode);
    if (length < 0)
        return FAIL(error, size, "secret-file: \"%.*s\" cannot be read (%s): must be the absolute path of "
                    "a plain file that Kea may read", SHOWN_MAX, path,
                    errno == EINVAL ? "it is no plain file" : strerror(errno));
    if (length > 0 && bytes[length - 1] == '\n')
        length--;
    if (length > 0 && bytes[length - 1] == '\r')
        length--;
    const bool good = length > 0 && take(relationship, bytes, (size_t)length);
    explicit_bzero(bytes, sizeof bytes);
    if (!good)
        return FAIL(error, size, "secret-file: \"%.*s\" is not allowed: must hold 1 to %d bytes, at best "
                    "%d or more, on one line", SHOWN_MAX, path, FO_SECRET_MAX, SECRET_GOOD);
    relationship->secret_exposed = (mode & (S_IRWXO)) != 0;
    return true;
}

static bool read_secret(const json_t *map, struct fo_config_relationship *relationship,
                        char *error, size_t size)
{
    const json_t *secret = json_object_get(map, "secret");
    const json_t *file = json_object_get(map, "secret-file");
    if (secret != NULL && file != NULL)
        return FAIL(error, size, "secret: is not allowed beside secret-file: must be one of the two");
    if (file != NULL) {
        const char *path = json_string_value(file);
        if (path == NULL || path[0] != '/')
            return FAIL(error, size, "secret-file: \"%.*s\" is not allowed: must be the absolute path of a "
                        "file", SHOWN_MAX, path != NULL ? path : "(no string)");
        return read_secret_file(path, relationship, error, size);
    }
    if (secret == NULL)
        return true;
    const char *text = json_string_value(secret);
    if (text != NULL && strcmp(text, redacted) == 0)
        return FAIL(error, size, "secret: is what config-get shows in place of the secret: must be the "
                    "secret itself (secret-file needs no such care)");
    if (text == NULL || text[0] == '\0' || !take(relationship, text, json_string_length(secret)))
        return FAIL(error, size, "secret: is not allowed so: must be a string of 1 to %d bytes, at best %d "
                    "or more; leave it out to sign nothing", FO_SECRET_MAX, SECRET_GOOD);
    return true;
}

static bool read_digest(const json_t *map, struct fo_config_relationship *relationship,
                        char *error, size_t size)
{
    const json_t *digest = json_object_get(map, "digest");
    const char *name = digest != NULL ? json_string_value(digest) : fo_digest_name(FO_DIGEST_HMAC_SHA256);
    relationship->digest = FO_DIGEST_NONE;
    for (int type = FO_DIGEST_HMAC_MD5; type <= FO_DIGEST_HMAC_SHA256 && name != NULL; type++)
        if (strcmp(name, fo_digest_name((enum fo_digest_type)type)) == 0)
            relationship->digest = (uint8_t)type;
    if (relationship->digest == FO_DIGEST_NONE)
        return FAIL(error, size, "digest: \"%.*s\" is not allowed: must be hmac-sha256, or hmac-md5 towards "
                    "a partner that does not have it", SHOWN_MAX, name != NULL ? name : "(no string)");
    if (relationship->secret_length > 0)
        return true;
    relationship->digest = FO_DIGEST_NONE;
    if (digest != NULL)
        return FAIL(error, size, "digest: \"%s\" is not allowed without secret or secret-file, for nothing "
                    "would be signed: must be beside one of them, or left out", name);
    return true;
}

bool fo_secret_configure(const json_t *map, struct fo_config_relationship *relationship,
                         char *error, size_t size)
{
    return read_secret(map, relationship, error, size) &&
           read_digest(map, relationship, error, size);
}

bool fo_secret_equal(const struct fo_config_relationship *a,
                     const struct fo_config_relationship *b)
{
    return a->digest == b->digest && a->secret_length == b->secret_length &&
           memcmp(a->secret, b->secret, a->secret_length) == 0;
}

/* ------------------------------------------------------------------ the hash */

static bool compute(void *context, const struct fo_bytes pieces[], size_t count, uint8_t *hash)
{
    EVP_MAC_CTX *mac = context;
    size_t size = 0;
    bool ok = EVP_MAC_init(mac, NULL, 0, NULL) == 1; /* with the key that it has */
    for (size_t i = 0; ok && i < count; i++)
        ok = pieces[i].length == 0 || EVP_MAC_update(mac, pieces[i].data, pieces[i].length) == 1;
    return ok && EVP_MAC_final(mac, hash, &size, FO_DIGEST_MAX) == 1;
}

bool fo_secret_open(const struct fo_config_relationship *relationship, struct fo_digest *digest)
{
    *digest = (struct fo_digest){.type = (enum fo_digest_type)relationship->digest};
    if (digest->type == FO_DIGEST_NONE)
        return true;
    char name[8];
    snprintf(name, sizeof name, "%s", digest->type == FO_DIGEST_HMAC_MD5 ? "MD5" : "SHA256");
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_construct_end()};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    EVP_MAC_CTX *mac = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    if (mac != NULL &&
        EVP_MAC_init(mac, relationship->secret, relationship->secret_length, parameters) != 1) {
        EVP_MAC_CTX_free(mac);
        mac = NULL;
    }
    digest->context = mac;
    digest->compute = compute;
    return mac != NULL;
}

void fo_secret_close(struct fo_digest *digest)
{
    EVP_MAC_CTX_free(digest->context); /* which wipes the key */
    *digest = (struct fo_digest){.type = FO_DIGEST_NONE};
}
