/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * OpenSSL runs out of memory, at every allocation in turn: while the context of a hash is made, with a
 * configuration, and while a message is signed. Its own functions for memory are replaced here.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "hook/secret.h"
#include "hook/service_internal.h"
#include "tests/unit/still_env.h"

static long fails_at; /* OpenSSL's allocation that fails, counted down; 0: none */
static long blocks;   /* that it has */

static void *crypto_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (fails_at > 0 && --fails_at == 0)
        return NULL;
    void *memory = malloc(size);
    blocks += memory != NULL;
    return memory;
}

static void *crypto_realloc(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (fails_at > 0 && --fails_at == 0)
        return NULL;
    blocks += memory == NULL;
    return realloc(memory, size);
}

static void crypto_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    blocks -= memory != NULL;
    free(memory);
}

static bool hash_of(const struct fo_digest *digest, uint8_t hash[FO_DIGEST_MAX])
{
    const struct fo_bytes pieces[] = {{(const uint8_t *)"some", 4}, {(const uint8_t *)"bytes", 5}};
    memset(hash, 0, FO_DIGEST_MAX);
    return digest->compute(digest->context, pieces, 2, hash);
}

/* Once OpenSSL has loaded what it needs, as in any Kea: the first time it may remember that it could not. */
static void warm_up(struct fo_config *config, uint8_t hash[FO_DIGEST_MAX])
{
    static const char secret[] = "correct horse battery";
    struct fo_digest digest;
    still_configuration(true, config);
    struct fo_config_relationship *relationship = &config->relationships[0];
    relationship->digest = FO_DIGEST_HMAC_SHA256;
    relationship->secret_length = sizeof secret - 1;
    memcpy(relationship->secret, secret, sizeof secret - 1);
    ck_assert(fo_secret_open(&config->relationships[0], &digest));
    ck_assert(hash_of(&digest, hash));
    fo_secret_close(&digest);
    ERR_clear_error();
}

/* OpenSSL can do without some allocations. */
START_TEST(without_memory_there_is_no_hash)
{
    struct fo_config config;
    struct fo_digest digest;
    uint8_t good[FO_DIGEST_MAX], hash[FO_DIGEST_MAX];
    unsigned refused = 0;
    bool failed = true;
    warm_up(&config, good);
    const long before = blocks;
    ck_assert_int_gt(before, 0);
    for (long n = 1; failed; n++) {
        fails_at = n;
        const bool opened = fo_secret_open(&config.relationships[0], &digest);
        failed = fails_at == 0;
        fails_at = 0;
        ck_assert(opened || (failed && digest.context == NULL));
        ck_assert(!opened || (hash_of(&digest, hash) && memcmp(hash, good, sizeof good) == 0));
        refused += !opened;
        fo_secret_close(&digest);
        ERR_clear_error(); /* which has texts */
        ck_assert_int_eq(blocks, before);
    }
    ck_assert_uint_gt(refused, 3);
    fo_config_free(&config);
}
END_TEST

/* Not signed, or not accepted; the next one is again. */
START_TEST(without_memory_a_message_has_no_hash)
{
    struct fo_config config;
    struct fo_digest digest;
    uint8_t good[FO_DIGEST_MAX], hash[FO_DIGEST_MAX];
    unsigned refused = 0;
    bool failed = true;
    warm_up(&config, good);
    ck_assert(fo_secret_open(&config.relationships[0], &digest));
    for (long n = 1; failed; n++) {
        fails_at = n;
        const bool computed = hash_of(&digest, hash);
        failed = fails_at == 0;
        fails_at = 0;
        ck_assert(computed || failed);
        refused += !computed;
        ck_assert(!computed || memcmp(hash, good, sizeof good) == 0);
        ck_assert(hash_of(&digest, hash) && memcmp(hash, good, sizeof good) == 0);
    }
    ck_assert_uint_gt(refused, 0);
    fo_secret_close(&digest);
    fo_config_free(&config);
}
END_TEST

START_TEST(without_memory_for_the_hash_a_configuration_is_refused)
{
    struct fo_config config;
    uint8_t hash[FO_DIGEST_MAX];
    struct fo_pool_range range = {0x0a000040, 0x0a00007f, SUBNET, 0};
    const struct fo_topology topology = still_topology(&range, 1);
    unsigned refused = 0;
    bool failed = true;
    warm_up(&config, hash);
    struct fo_service *service = still_start(&config, &topology);
    for (long n = 1; failed; n++) {
        char error[FO_CONFIG_ERROR_MAX] = "";
        const void *mac = service->relationships[0]->digest.context;
        fails_at = n;
        const bool taken = fo_service_configure(service, &config, &topology, error) == 0;
        failed = fails_at == 0;
        fails_at = 0;
        ck_assert_str_eq(error, taken ? "" : "OpenSSL of this host does not offer the digest, or has no "
                                             "memory");
        ck_assert(taken || service->relationships[0]->digest.context == mac);
        ck_assert(hash_of(&service->relationships[0]->digest, hash));
        refused += !taken;
    }
    ck_assert_uint_gt(refused, 3);
    still_stop(service);
    fo_config_free(&config);
}
END_TEST

int main(void)
{
    /* Before its first allocation. */
    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return EXIT_FAILURE;
    Suite *suite = suite_create("memory and the secret");
    TCase *all = tcase_create("memory and the secret");
    tcase_add_test(all, without_memory_there_is_no_hash);
    tcase_add_test(all, without_memory_a_message_has_no_hash);
    tcase_add_test(all, without_memory_for_the_hash_a_configuration_is_refused);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
