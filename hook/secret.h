/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The shared secret of a relationship (draft section 11.1): how it comes out of the parameters `secret`,
 * `secret-file` and `digest`, and the keyed hash made of it, by OpenSSL. This is the only place that
 * computes with it.
 *
 * A secret is nowhere shown: not in the text of an error, a log or an answer. What holds a copy of it
 * wipes that copy before it gives the memory back.
 */
#ifndef FO_HOOK_SECRET_H
#define FO_HOOK_SECRET_H

#include <jansson.h>

#include "hook/config.h"
#include "protocol/digest.h"

/* Reads the three keys of a relationship's map. False with what is wrong in `error` ("secret: must be
   ..."), which never shows a secret. */
bool fo_secret_configure(const json_t *map, struct fo_config_relationship *relationship,
                         char *error, size_t size);

/* The hash of a relationship that has a secret, or of type FO_DIGEST_NONE. False: no memory, or OpenSSL
   does not do it. */
bool fo_secret_open(const struct fo_config_relationship *relationship, struct fo_digest *digest);
void fo_secret_close(struct fo_digest *digest); /* takes an empty (zeroed) one, too */

/* The same secret and digest? */
bool fo_secret_equal(const struct fo_config_relationship *a,
                     const struct fo_config_relationship *b);

#endif
