/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * See digest.h. A frame is hashed as three pieces, what is before its digest, zeros, and what is after:
 * so nothing is copied, and a frame under check is not written to.
 *
 * The check does not decode: it comes before anything in the message is believed, its length and the
 * place of its first option apart.
 */
#include "protocol/digest.h"

#include <stdio.h>
#include <string.h>

static const uint8_t zeros[FO_DIGEST_MAX];

size_t fo_digest_size(enum fo_digest_type type)
{
    switch (type) {
    case FO_DIGEST_HMAC_MD5:
        return 16;
    case FO_DIGEST_HMAC_SHA256:
        return 32;
    case FO_DIGEST_NONE:
        break;
    }
    return 0;
}

const char *fo_digest_name(enum fo_digest_type type)
{
    switch (type) {
    case FO_DIGEST_HMAC_MD5:
        return "hmac-md5";
    case FO_DIGEST_HMAC_SHA256:
        return "hmac-sha256";
    case FO_DIGEST_NONE:
        break;
    }
    return "none";
}

void fo_digest_prepare(const struct fo_digest *digest, struct fo_message *message)
{
    message->present |= FO_HAS(FO_OPT_MESSAGE_DIGEST);
    message->digest_type = (uint8_t)digest->type;
    message->digest = (struct fo_bytes){zeros, (uint16_t)fo_digest_size(digest->type)};
}

/* Where a frame's digest begins, its type byte; 0 where the first option is none. `*option` is how long
   that option says it is, type byte and all, inside the frame. */
static size_t find_digest(const uint8_t *frame, size_t length, size_t *option)
{
    size_t at = length > 3 ? frame[3] : 0;
    if (at < FO_HEADER_SIZE)
        at = FO_HEADER_SIZE; /* 6.1 prints 8 under a picture of 12 bytes */
    if (at + 5 > length || frame[at] != 0 || frame[at + 1] != FO_OPT_MESSAGE_DIGEST)
        return 0;
    *option = (size_t)frame[at + 2] << 8 | frame[at + 3];
    return *option >= 1 && at + 4 + *option <= length ? at + 4 : 0;
}

static bool hash_frame(const struct fo_digest *digest, struct fo_bytes bond, const uint8_t *frame,
                       size_t length, size_t at, uint8_t *hash)
{
    const size_t size = fo_digest_size(digest->type);
    const struct fo_bytes pieces[] = {
        bond,
        {frame, (uint16_t)at},
        {zeros, (uint16_t)size},
        {frame + at + size, (uint16_t)(length - at - size)},
    };
    return digest->compute(digest->context, pieces, sizeof pieces / sizeof pieces[0], hash);
}

bool fo_digest_sign(const struct fo_digest *digest, struct fo_bytes bond, uint8_t *frame,
                    size_t length)
{
    uint8_t hash[FO_DIGEST_MAX];
    size_t option = 0, at = find_digest(frame, length, &option) + 1;
    if (at == 1 || !hash_frame(digest, bond, frame, length, at, hash))
        return false;
    memcpy(frame + at, hash, fo_digest_size(digest->type));
    return true;
}

/* In a time that does not depend on where two hashes differ. */
static bool same(const uint8_t *a, const uint8_t *b, size_t size)
{
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < size; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

enum fo_reject_reason fo_digest_check(const struct fo_digest *digest, struct fo_bytes bond,
                                      const uint8_t *frame, size_t length, char *text, size_t size)
{
    uint8_t hash[FO_DIGEST_MAX];
    const char *name = fo_message_name(length > 2 ? frame[2] : 0);
    size_t option = 0, at = find_digest(frame, length, &option);
    enum fo_digest_type type = at != 0 ? (enum fo_digest_type)frame[at] : FO_DIGEST_NONE;
    if (digest == NULL && at == 0)
        return FO_REJECT_NONE;
    if (digest == NULL) {
        snprintf(text, size, "%s is signed, but no secret is configured at the server that received it: "
                 "give both servers the same secret, or none", name);
        return FO_REJECT_DIGEST_NOT_CONFIGURED;
    }
    if (at == 0) {
        snprintf(text, size, "%s is not signed, but a secret is configured at the server that received it: "
                 "give both servers the same secret, or none", name);
        return FO_REJECT_MISSING_DIGEST;
    }
    if (type != digest->type) {
        snprintf(text, size, "%s is signed by digest type %u, expected is %u (%s): make the parameter "
                 "digest equal on both servers", name, frame[at], (unsigned)digest->type,
                 fo_digest_name(digest->type));
        return fo_digest_size(type) == 0 ? FO_REJECT_DIGEST_NOT_SUPPORTED : FO_REJECT_DIGEST_FAILED;
    }
    if (option != 1 + fo_digest_size(type) ||
        !hash_frame(digest, bond, frame, length, at + 1, hash) ||
        !same(hash, frame + at + 1, fo_digest_size(type))) {
        snprintf(text, size, "the digest of %s is wrong: the secrets of the two servers differ, or "
                 "somebody has changed or repeated the message", name);
        return FO_REJECT_DIGEST_FAILED;
    }
    return FO_REJECT_NONE;
}

bool fo_digest_is_about(enum fo_reject_reason reason)
{
    return reason == FO_REJECT_DIGEST_NOT_SUPPORTED || reason == FO_REJECT_DIGEST_NOT_CONFIGURED ||
           reason == FO_REJECT_DIGEST_FAILED || reason == FO_REJECT_MISSING_DIGEST;
}
