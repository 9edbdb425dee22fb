/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What two of us say to each other, encoded and signed by two honest sessions: the handshake with all that
 * 12.29 lets us tell, each kind of message, updates with everything that one may have, DISCONNECT.
 */
#ifndef FO_TESTS_FUZZ_OWN_WORDS_H
#define FO_TESTS_FUZZ_OWN_WORDS_H

#include "tests/fuzz/fuzz.h"

/* Both with these FUZZ_ bits. The frames come in their order; of each it is told who says it. */
void own_words(unsigned extras, void (*hear)(bool by_primary, const uint8_t *frame, size_t length));

#endif
