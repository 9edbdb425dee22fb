/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See a_secret.h. */
#include "tests/unit/a_secret.h"

#include <check.h>
#include <string.h>

static const struct fo_bytes nothing = {NULL, 0};

const char secret[24] = "a secret of two servers";

struct fo_digest digest_of(enum fo_digest_type type, const void *bytes, size_t length)
{
    struct fo_config_relationship config = {.secret_length = (uint16_t)length,
                                            .digest = (uint8_t)type};
    struct fo_digest digest;
    memcpy(config.secret, bytes, length);
    ck_assert(fo_secret_open(&config, &digest));
    return digest;
}

size_t signed_frame(const struct fo_digest *digest, struct fo_message *message,
                           uint8_t frame[FO_MESSAGE_MAX])
{
    fo_digest_prepare(digest, message);
    size_t length = fo_encode(&fo_dialect_draft, message, frame, FO_MESSAGE_MAX);
    ck_assert_uint_gt(length, 0);
    ck_assert(fo_digest_sign(digest, nothing, frame, length));
    return length;
}

enum fo_reject_reason check(const struct fo_digest *digest, const uint8_t *frame,
                                   size_t length)
{
    char text[160] = "";
    enum fo_reject_reason reason =
        fo_digest_check(digest, nothing, frame, length, text, sizeof text);
    ck_assert_int_eq(reason != FO_REJECT_NONE, text[0] != '\0');
    ck_assert_uint_lt(strlen(text), sizeof text - 1); /* whole */
    return reason;
}
