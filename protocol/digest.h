/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The message digest (draft sections 11.1, 12.17): a keyed hash of a whole frame, in its first
 * option, by which two servers with the same secret know each other's messages from anybody else's.
 *
 * Here is where the digest stands and what it covers. The hash itself is computed behind a pointer,
 * by whoever holds the secret (hook/secret.c): nothing here knows a secret, or a library.
 *
 * 11.1 says "the entire message concatenated with the shared secret" of an HMAC: the secret is the HMAC's
 * key, which is how an HMAC joins the two. Type 1 is the draft's. Type 2 is ours, numbered as Windows
 * Server numbers it.
 */
#ifndef FO_PROTOCOL_DIGEST_H
#define FO_PROTOCOL_DIGEST_H

#include "protocol/message.h"

enum fo_digest_type {
    FO_DIGEST_NONE = 0,
    FO_DIGEST_HMAC_MD5 = 1,
    FO_DIGEST_HMAC_SHA256 = 2,
};

enum {
    FO_DIGEST_MAX = 32,                         /* bytes of the longest */
    FO_DIGEST_OPTION_MAX = 4 + 1 + FO_DIGEST_MAX, /* that it takes of a frame */
    FO_NONCE_SIZE = 16,
    FO_BOND_SIZE = 1 + 2 * FO_NONCE_SIZE,
};

/* The hash with its secret. */
struct fo_digest {
    enum fo_digest_type type;
    void *context;
    /* Of all pieces, one after another, fo_digest_size(type) bytes. False: it could not. */
    bool (*compute)(void *context, const struct fo_bytes pieces[], size_t count, uint8_t *hash);
};

size_t fo_digest_size(enum fo_digest_type type); /* 0: no such type */
const char *fo_digest_name(enum fo_digest_type type); /* as in the parameters; "none" */

/* Puts an empty digest into a message, to be filled once it is encoded. */
void fo_digest_prepare(const struct fo_digest *digest, struct fo_message *message);

/* Fills the digest of a frame made of such a message. `bond`, which is not sent, is hashed before the
   frame; it has no bytes where the draft alone counts. False where the hash could not be computed. */
bool fo_digest_sign(const struct fo_digest *digest, struct fo_bytes bond, uint8_t *frame,
                    size_t length);

/* Is the frame what 11.1 demands where `digest` is configured, or none is (NULL)? FO_REJECT_NONE, or the
   reason of 12.21 with a text that says what to do. Looks at nothing but the digest. */
enum fo_reject_reason fo_digest_check(const struct fo_digest *digest, struct fo_bytes bond,
                                      const uint8_t *frame, size_t length, char *text, size_t size);

/* Such a reason: who sent the message is not who should have. */
bool fo_digest_is_about(enum fo_reject_reason reason);

#endif
