/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A secret, the digest made with it, and a message to sign: what the tests of digests share.
 */
#ifndef FO_TESTS_UNIT_A_SECRET_H
#define FO_TESTS_UNIT_A_SECRET_H

#include "hook/secret.h"
#include "protocol/endpoint.h"
#include "tests/unit/two_sessions.h"

extern const char secret[24];

/* fo_secret_close ends it. */
struct fo_digest digest_of(enum fo_digest_type type, const void *bytes, size_t length);
/* Signs it, without a bond; returns the frame's length. */
size_t signed_frame(const struct fo_digest *digest, struct fo_message *message,
                    uint8_t frame[FO_MESSAGE_MAX]);
/* What fo_digest_check says of such a frame; where it is refused, it has to say so in words. */
enum fo_reject_reason check(const struct fo_digest *digest, const uint8_t *frame, size_t length);

#endif
