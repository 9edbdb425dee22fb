/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The keyed hash against the example in the paper of its authors ("SipHash: a fast short-input PRF",
 * appendix A) and against OpenSSL's, for every length up to some words.
 */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "hook/keyed_hash.h"

enum { LONGEST = 70 };

static void count_up(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)i;
}

static struct fo_hash_key key_of(const uint8_t bytes[16])
{
    struct fo_hash_key key = {{0, 0}};
    for (unsigned i = 0; i < 16; i++)
        key.words[i / 8] |= (uint64_t)bytes[i] << 8 * (i % 8);
    return key;
}

START_TEST(the_papers_example)
{
    uint8_t bytes[16];
    count_up(bytes, sizeof bytes);
    struct fo_hash_key key = key_of(bytes);
    ck_assert(fo_keyed_hash(&key, bytes, 15) == UINT64_C(0xa129ca6149be45e5));
}
END_TEST

static uint64_t openssls(const uint8_t key[16], const uint8_t *data, size_t length)
{
    uint8_t out[8];
    size_t size = sizeof out, written;
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                               OSSL_PARAM_construct_end()};
    EVP_MAC *siphash = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_SIPHASH, NULL);
    ck_assert_ptr_nonnull(siphash);
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(siphash);
    ck_assert(EVP_MAC_init(mac, key, 16, parameters) == 1);
    ck_assert(EVP_MAC_update(mac, data, length) == 1);
    ck_assert(EVP_MAC_final(mac, out, &written, sizeof out) == 1);
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(siphash);
    uint64_t hash = 0;
    for (unsigned i = 0; i < 8; i++)
        hash |= (uint64_t)out[i] << 8 * i;
    return hash;
}

START_TEST(as_openssl_for_every_length)
{
    uint8_t key[16], data[LONGEST];
    count_up(key, sizeof key);
    for (size_t length = 0; length <= LONGEST; length++) {
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)(i * 37 + length * 101 + 200);
        key[length % 16] ^= (uint8_t)(length * 29 + 1);
        struct fo_hash_key ours = key_of(key);
        ck_assert(fo_keyed_hash(&ours, data, length) == openssls(key, data, length));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keyed hash");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, the_papers_example);
    tcase_add_test(tests, as_openssl_for_every_length);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
