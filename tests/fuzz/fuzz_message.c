/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The codec: any bytes as one frame. What it decodes it encodes again, and that, decoded, is the
 * same once more; ranges and digests found in it are looked at, too.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static struct fo_message message, again;

/* Of what was just encoded from it: encoded once more, the same bytes. */
static void encode_twice(void)
{
    uint8_t once[FO_MESSAGE_MAX], twice[FO_MESSAGE_MAX];
    struct fo_decode_error error;
    const size_t length = fo_encode(&fo_dialect_draft, &message, once, sizeof once);
    fuzz_must(length != 0, "what was decoded can be encoded");
    fuzz_must(fo_decode(&fo_dialect_draft, once, length, &again, &error),
              "what was encoded can be decoded");
    fuzz_must(again.update_count == message.update_count && again.present == message.present,
              "nothing is lost on the way");
    fuzz_must(fo_encode(&fo_dialect_draft, &again, twice, sizeof twice) == length &&
                  memcmp(once, twice, length) == 0,
              "the same message is the same bytes");
}

void fuzz_message(const uint8_t *data, size_t size)
{
    struct fuzz_script script = {data, size};
    const struct fuzz_known known = {.seconds = 1700000000};
    uint8_t frame[FO_MESSAGE_MAX];
    struct fo_decode_error error = {FO_REJECT_NONE, ""};
    const size_t length = fuzz_frame(&script, &known, frame);
    const int whole = fo_frame_length(frame, length);
    if (length < 2) {
        fuzz_must(whole == 0, "less than a length is no frame yet");
        return;
    }
    fuzz_must(whole == -1 || (whole >= FO_HEADER_SIZE && whole <= FO_MESSAGE_MAX),
              "a frame's length is in its bounds");
    if (whole < 0 || (size_t)whole > length)
        return;
    uint8_t *exact = malloc((size_t)whole); /* so that a sanitizer sees a step beyond its end */
    fuzz_must(exact != NULL, "there is memory");
    memcpy(exact, frame, (size_t)whole);
    if (fo_decode(&fo_dialect_draft, exact, (size_t)whole, &message, &error)) {
        struct fo_bytes value;
        for (uint16_t code = 0; code < 8; code++)
            if (fo_vendor_option(&message, code, &value))
                fuzz_must(value.length <= message.vendor_options.length, "an option is in its option");
        if (message.type <= FO_MSG_DISCONNECT)
            encode_twice();
    } else {
        fuzz_must(error.text[0] != '\0', "an error is told in words");
    }
    free(exact);
}
