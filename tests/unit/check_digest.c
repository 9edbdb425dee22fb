/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The message digest of one frame (11.1, 12.17): known hashes, a frame hashed by another program, every
 * byte of a frame changed, every length of it.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/a_secret.h"

/* ------------------------------------------------------------------ hashes */

/* RFC 2202 (HMAC-MD5), RFC 4231 (HMAC-SHA-256). */
static const struct {
    enum fo_digest_type type;
    uint8_t key_byte; /* 0: the key is "Jefe" */
    size_t key_length;
    const char *data, *hash;
} vectors[] = {
    {FO_DIGEST_HMAC_MD5, 0x0b, 16, "Hi There", "9294727a3638bb1c13f48ef8158bfc9d"},
    {FO_DIGEST_HMAC_MD5, 0, 4, "what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"},
    {FO_DIGEST_HMAC_MD5, 0xaa, 80, "Test Using Larger Than Block-Size Key - Hash Key First",
     "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"},
    {FO_DIGEST_HMAC_SHA256, 0x0b, 20, "Hi There",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {FO_DIGEST_HMAC_SHA256, 0, 4, "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {FO_DIGEST_HMAC_SHA256, 0xaa, 131, "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
};

static void hex_is(const uint8_t *bytes, size_t length, const char *hex)
{
    char text[2 * FO_DIGEST_MAX + 1] = "";
    for (size_t i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    ck_assert_str_eq(text, hex);
}

START_TEST(known_hashes)
{
    uint8_t key[131], hash[FO_DIGEST_MAX];
    const char *data = vectors[_i].data;
    memset(key, vectors[_i].key_byte, sizeof key);
    if (vectors[_i].key_byte == 0)
        memcpy(key, "Jefe", 4);
    struct fo_digest digest = digest_of(vectors[_i].type, key, vectors[_i].key_length);
    for (size_t cut = 0; cut <= strlen(data); cut++) { /* in two pieces, again and again */
        const struct fo_bytes pieces[] = {
            {(const uint8_t *)data, (uint16_t)cut},
            {(const uint8_t *)data + cut, (uint16_t)(strlen(data) - cut)}};
        ck_assert(digest.compute(digest.context, pieces, 2, hash));
        hex_is(hash, fo_digest_size(digest.type), vectors[_i].hash);
    }
    fo_secret_close(&digest);
    fo_secret_close(&digest); /* an empty one, too */
}
END_TEST

/* The whole message with zeros for its digest, as Python's hmac hashes it. */
START_TEST(a_frame_has_the_digest_that_others_compute)
{
    static const char *const hashes[] = {
        [FO_DIGEST_HMAC_MD5] = "44d0cbc8665cc8bc1c00263f96e74429",
        [FO_DIGEST_HMAC_SHA256] = "b9642c565a7ceb556515e65823f08f34a15831e394c7fcabb43c3524641c334f"};
    struct fo_digest digest = digest_of((enum fo_digest_type)_i, secret, strlen(secret));
    struct fo_message message = state_message(5);
    uint8_t frame[FO_MESSAGE_MAX];
    size_t length = signed_frame(&digest, &message, frame), size = fo_digest_size(digest.type);
    ck_assert_mem_eq(frame + FO_HEADER_SIZE, "\0\21\0", 3); /* the first option */
    ck_assert_uint_eq(frame[FO_HEADER_SIZE + 3], size + 1);
    ck_assert_int_eq(frame[FO_HEADER_SIZE + 4], _i);
    hex_is(frame + FO_HEADER_SIZE + 5, size, hashes[_i]);
    ck_assert_int_eq(check(&digest, frame, length), FO_REJECT_NONE);
    fo_secret_close(&digest);
}
END_TEST

/* Every bit of every byte, every shorter length, and a byte more. */
START_TEST(whatever_is_changed_shows)
{
    struct fo_digest digest = digest_of((enum fo_digest_type)_i, secret, strlen(secret));
    struct fo_message message = state_message(5);
    uint8_t frame[FO_MESSAGE_MAX] = {0};
    size_t length = signed_frame(&digest, &message, frame);
    for (size_t bit = 0; bit < length * 8; bit++) {
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_msg(check(&digest, frame, length) != FO_REJECT_NONE, "bit %zu", bit);
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t shorter = 0; shorter < length; shorter++) {
        uint8_t *copy = malloc(shorter + 1); /* so that a sanitizer sees a read beyond */
        memcpy(copy, frame, shorter);
        copy = realloc(copy, shorter ? shorter : 1);
        ck_assert_int_ne(check(&digest, copy, shorter), FO_REJECT_NONE);
        free(copy);
    }
    ck_assert_int_eq(check(&digest, frame, length + 1), FO_REJECT_DIGEST_FAILED);
    ck_assert_int_eq(check(&digest, frame, length), FO_REJECT_NONE);
    fo_secret_close(&digest);
}
END_TEST

START_TEST(each_reason_has_its_name)
{
    struct fo_digest sha = digest_of(FO_DIGEST_HMAC_SHA256, secret, strlen(secret));
    struct fo_digest md5 = digest_of(FO_DIGEST_HMAC_MD5, secret, strlen(secret));
    struct fo_digest other = digest_of(FO_DIGEST_HMAC_SHA256, secret, strlen(secret) - 1);
    struct fo_message message = state_message(5);
    uint8_t frame[FO_MESSAGE_MAX], plain[FO_MESSAGE_MAX];
    size_t length = fo_encode(&fo_dialect_draft, &message, plain, sizeof plain);
    ck_assert_int_eq(check(NULL, plain, length), FO_REJECT_NONE);
    ck_assert_int_eq(check(&sha, plain, length), FO_REJECT_MISSING_DIGEST);
    length = signed_frame(&sha, &message, frame);
    ck_assert_int_eq(check(NULL, frame, length), FO_REJECT_DIGEST_NOT_CONFIGURED);
    ck_assert_int_eq(check(&other, frame, length), FO_REJECT_DIGEST_FAILED);
    ck_assert_int_eq(check(&md5, frame, length), FO_REJECT_DIGEST_FAILED);
    frame[FO_HEADER_SIZE + 4] = 3;
    ck_assert_int_eq(check(&sha, frame, length), FO_REJECT_DIGEST_NOT_SUPPORTED);
    frame[FO_HEADER_SIZE + 4] = 2;
    frame[FO_HEADER_SIZE + 3] -= 16; /* half a digest is none */
    ck_assert_int_eq(check(&sha, frame, length), FO_REJECT_DIGEST_FAILED);
    fo_secret_close(&sha);
    fo_secret_close(&md5);
    fo_secret_close(&other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("digest");
    TCase *hashes = tcase_create("hashes");
    tcase_add_loop_test(hashes, known_hashes, 0, (int)(sizeof vectors / sizeof vectors[0]));
    tcase_add_loop_test(hashes, a_frame_has_the_digest_that_others_compute, 1, 3);
    tcase_add_loop_test(hashes, whatever_is_changed_shows, 1, 3);
    tcase_add_test(hashes, each_reason_has_its_name);
    suite_add_tcase(suite, hashes);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
