/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * See details.h. The options of 12.7 and 12.8 begin with the magic number of DHCP's own (RFC 2131),
 * followed by options of one byte code and one byte length.
 *
 * Of one of our own making the host name is in DDNS where DNS has it, and in the reply's option 12
 * where it has not, or where Kea's row has the name without its last dot. Of another maker it may be in
 * either option 12, or in a client FQDN (81) in one of its two forms (RFC 4702).
 *
 * Whether an update of DNS has succeeded (the bits C and D of 12.9) Kea does not learn from the
 * daemon that it leaves them to, so they are never set; nor are they needed, for what was attempted
 * is to be removed as well.
 */
#include "protocol/details.h"

#include <string.h>

#include "protocol/message.h"
#include "protocol/wire.h"

enum { PAD = 0, HOST_NAME = 12, CLIENT_FQDN = 81, RELAY_AGENT = 82, END = 255 };
enum { DDNS_A = 0x0002, DDNS_P = 0x0008 }; /* 12.9: bits 1 and 3, from the least significant */
enum { FQDN_IN_WIRE_FORM = 0x04, FQDN_HEAD = 3 };
enum { PACKED_FORWARD = 1, PACKED_REVERSE = 2, PACKED_REMOVED = 4, PACKED_HEAD = 3 };

static const uint8_t magic[4] = {99, 130, 83, 99};

/* ------------------------------------------------------------------ packed */

size_t fo_details_pack(const struct fo_details *details, uint8_t space[FO_DETAILS_PACKED_MAX])
{
    if (!details->told)
        return 0;
    space[0] = (uint8_t)((details->forward ? PACKED_FORWARD : 0) |
                         (details->reverse ? PACKED_REVERSE : 0) |
                         (details->removed ? PACKED_REMOVED : 0));
    space[1] = details->name_length;
    space[2] = details->agent_length;
    if (details->name_length != 0)
        memcpy(space + PACKED_HEAD, details->name, details->name_length);
    if (details->agent_length != 0)
        memcpy(space + PACKED_HEAD + details->name_length, details->agent, details->agent_length);
    return (size_t)PACKED_HEAD + details->name_length + details->agent_length;
}

bool fo_details_unpack(const uint8_t *bytes, size_t length, struct fo_details *details)
{
    *details = (struct fo_details){0};
    if (length == 0)
        return true;
    if (length < PACKED_HEAD || length != (size_t)PACKED_HEAD + bytes[1] + bytes[2])
        return false;
    *details = (struct fo_details){
        .told = true,
        .forward = (bytes[0] & PACKED_FORWARD) != 0,
        .reverse = (bytes[0] & PACKED_REVERSE) != 0,
        .removed = (bytes[0] & PACKED_REMOVED) != 0,
        .name_length = bytes[1],
        .agent_length = bytes[2],
        .name = bytes + PACKED_HEAD,
        .agent = bytes + PACKED_HEAD + bytes[1],
    };
    return true;
}

void fo_details_forget_names(uint8_t *bytes, size_t length)
{
    if (length >= PACKED_HEAD)
        bytes[0] &= (uint8_t) ~(PACKED_FORWARD | PACKED_REVERSE);
}

void fo_details_names_removed(uint8_t *bytes, size_t length)
{
    if (length >= PACKED_HEAD)
        bytes[0] |= PACKED_REMOVED;
}

bool fo_details_names_taken(const struct fo_update *update)
{
    return (update->present & FO_HAS(FO_OPT_DDNS)) && (update->ddns_flags & (DDNS_A | DDNS_P));
}

/* ------------------------------------------------------------------ names of DNS */

/* No byte that would need an escape, in DNS's text form or in a file of leases. */
static bool is_plain(const uint8_t *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return true;
}

/* "host.example.org." as RFC 1035 encodes it; 0 where it is no such name. */
static size_t name_to_wire(const uint8_t *text, size_t length, uint8_t wire[FO_DETAIL_MAX])
{
    size_t at = 0, begin = 0;
    if (length > 0 && text[length - 1] == '.')
        length--;
    if (length == 0 || length > FO_DETAIL_MAX - 2 || !is_plain(text, length))
        return 0;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && text[i] == '\\')
            return 0;
        if (i < length && text[i] != '.')
            continue;
        const size_t label = i - begin;
        if (label == 0 || label > 63)
            return 0;
        wire[at++] = (uint8_t)label;
        memcpy(wire + at, text + begin, label);
        at += label;
        begin = i + 1;
    }
    wire[at++] = 0;
    return at;
}

/* The text of a name, its last dot only where it has its root; 0 where it is none, or just the root. */
static size_t name_from_wire(const uint8_t *wire, size_t length, uint8_t text[FO_DETAIL_MAX])
{
    size_t at = 0;
    for (size_t i = 0; i < length; i += 1U + wire[i]) {
        const size_t label = wire[i];
        if (label == 0)
            return i + 1 == length ? at : 0;
        if (label > 63 || i + 1 + label > length || at + label + 1 > FO_DETAIL_MAX ||
            !is_plain(wire + i + 1, label) || memchr(wire + i + 1, '.', label) != NULL ||
            memchr(wire + i + 1, '\\', label) != NULL)
            return 0;
        memcpy(text + at, wire + i + 1, label);
        text[at + label] = '.';
        at += label + 1;
    }
    return at > 0 ? at - 1 : 0; /* without root it is not complete */
}

/* ------------------------------------------------------------------ said */

static struct fo_bytes put_options(uint8_t *space, uint8_t code, const uint8_t *value, uint8_t length)
{
    size_t at = sizeof magic;
    memcpy(space, magic, sizeof magic);
    if (length != 0) {
        space[at++] = code;
        space[at++] = length;
        memcpy(space + at, value, length);
    }
    return (struct fo_bytes){space, (uint16_t)(at + length)};
}

/* True where that says all of the name: heard again it ends in a dot. */
static bool say_names(const struct fo_details *details, struct fo_update *update, uint8_t *space)
{
    const size_t length = details->forward || details->reverse
                              ? name_to_wire(details->name, details->name_length, space)
                              : 0;
    if (length == 0)
        return false;
    update->present |= FO_HAS(FO_OPT_DDNS);
    update->ddns_flags = (uint16_t)((details->forward ? DDNS_A : 0) | (details->reverse ? DDNS_P : 0));
    update->ddns_name = (struct fo_bytes){space, (uint16_t)length};
    return details->name[details->name_length - 1] == '.';
}

void fo_details_say(const struct fo_details *details, struct fo_update *update,
                    struct fo_details_space *space)
{
    if (!details->told || update->status == FO_ABANDONED)
        return;
    const bool said = say_names(details, update, space->name);
    if (update->status == FO_ACTIVE) {
        update->present |= FO_HAS(FO_OPT_CLIENT_REPLY_OPTIONS);
        update->reply_options = put_options(space->reply, HOST_NAME, details->name,
                                            said ? 0 : details->name_length);
    }
    if (details->agent_length != 0 &&
        (update->status == FO_ACTIVE || update->status == FO_RELEASED)) {
        update->present |= FO_HAS(FO_OPT_CLIENT_REQUEST_OPTIONS);
        update->request_options =
            put_options(space->request, RELAY_AGENT, details->agent, details->agent_length);
    }
}

/* ------------------------------------------------------------------ heard */

/* The first option of this code; without data where there is none. */
static struct fo_bytes option_in(struct fo_bytes options, uint8_t code)
{
    struct fo_reader reader;
    fo_reader_init(&reader, options.data, options.length);
    const uint8_t *number = fo_read_bytes(&reader, sizeof magic);
    if (number == NULL || memcmp(number, magic, sizeof magic) != 0)
        return (struct fo_bytes){0};
    while (fo_reader_left(&reader) > 0) {
        const uint8_t at = fo_read_u8(&reader);
        if (at == PAD)
            continue;
        if (at == END)
            break;
        const uint8_t length = fo_read_u8(&reader);
        const uint8_t *value = fo_read_bytes(&reader, length);
        if (value == NULL)
            break;
        if (at == code && length != 0)
            return (struct fo_bytes){value, length};
    }
    return (struct fo_bytes){0};
}

static bool hear_name(struct fo_bytes text, struct fo_details *details)
{
    if (text.length == 0 || text.length > FO_DETAIL_MAX || !is_plain(text.data, text.length))
        return false;
    details->name = text.data;
    details->name_length = (uint8_t)text.length;
    return true;
}

static bool hear_wire_name(struct fo_bytes wire, struct fo_details *details, uint8_t *space)
{
    const size_t length = name_from_wire(wire.data, wire.length, space);
    details->name = space;
    details->name_length = (uint8_t)length;
    return length != 0;
}

static bool hear_fqdn(struct fo_bytes option, struct fo_details *details, uint8_t *space)
{
    if (option.length <= FQDN_HEAD)
        return false;
    const struct fo_bytes name = {option.data + FQDN_HEAD, (uint16_t)(option.length - FQDN_HEAD)};
    return option.data[0] & FQDN_IN_WIRE_FORM ? hear_wire_name(name, details, space)
                                              : hear_name(name, details);
}

void fo_details_hear(const struct fo_update *update, struct fo_details *details,
                     uint8_t space[FO_DETAIL_MAX])
{
    *details = (struct fo_details){0};
    details->told =
        (update->present & (FO_HAS(FO_OPT_CLIENT_REPLY_OPTIONS) | FO_HAS(FO_OPT_DDNS) |
                            FO_HAS(FO_OPT_CLIENT_REQUEST_OPTIONS))) != 0;
    if (!details->told)
        return;
    if ((update->present & FO_HAS(FO_OPT_DDNS)) &&
        hear_wire_name(update->ddns_name, details, space)) {
        details->forward = (update->ddns_flags & DDNS_A) != 0;
        details->reverse = (update->ddns_flags & DDNS_P) != 0;
        /* As Kea's row had it there. */
        const struct fo_bytes text = option_in(update->reply_options, HOST_NAME);
        if (text.length + 1 == details->name_length &&
            memcmp(text.data, details->name, text.length) == 0)
            details->name_length--;
    } else {
        (void)(hear_name(option_in(update->reply_options, HOST_NAME), details) ||
               hear_fqdn(option_in(update->reply_options, CLIENT_FQDN), details, space) ||
               hear_fqdn(option_in(update->request_options, CLIENT_FQDN), details, space) ||
               hear_name(option_in(update->request_options, HOST_NAME), details));
    }
    const struct fo_bytes agent = option_in(update->request_options, RELAY_AGENT);
    details->agent = agent.data;
    details->agent_length = (uint8_t)agent.length;
}
