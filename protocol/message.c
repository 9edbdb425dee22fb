/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Bytes <-> messages (draft sections 6, 7 and 12), driven by the table of message_options.def: for
 * each option its form and length, in which messages it may stand, and where its value lies in the
 * C structs.
 *
 * Where the draft leaves it open: a known option in a message where section 7 has no place for it
 * is an error that names both; unknown options are skipped (6.1). An option may not appear twice in
 * one transaction, or twice outside (6.2). A payload offset of 8, which 6.1 prints, is read as the
 * 12 that its picture shows; larger ones skip the additional header bytes.
 *
 * What fo_encode writes fo_decode accepts, and the other way round: both ask the same table.
 */
#include "protocol/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/dialect.h"
#include "protocol/wire.h"

enum form { FORM_BYTE, FORM_NUMBER, FORM_FLAGS, FORM_BYTES, FORM_BUCKETS, FORM_DDNS, FORM_DIGEST };

struct option_rule {
    uint8_t form;
    uint16_t least, most;   /* bounds of the value's length */
    uint16_t outside;       /* messages that may have it outside transactions, a bit each */
    uint16_t inside;        /* messages whose transactions may have it */
    uint16_t message_field; /* where in struct fo_message, */
    uint16_t update_field;  /* and in struct fo_update */
};

#define IN(type) (1U << FO_MSG_##type)
#define BINDING (IN(BNDUPD) | IN(BNDACK))
#define HANDSHAKE (IN(CONNECT) | IN(CONNECTACK))
#define EVERYWHERE ((2U << FO_MSG_DISCONNECT) - 2U)
#define NOWHERE 0U
#define ANY UINT16_MAX
#define OF_MESSAGE(field) offsetof(struct fo_message, field)
#define OF_UPDATE(field) offsetof(struct fo_update, field)

static const struct option_rule rules[FO_OPT_LAST + 1] = {
#define FO_OPTION(code, name, form, least, most, outside, inside, message_field, update_field)     \
    [FO_OPT_##code] = {FORM_##form, least, most, outside, inside, message_field, update_field},
#include "protocol/message_options.def"
#undef FO_OPTION
};

static bool has_updates(uint8_t type)
{
    return type == FO_MSG_BNDUPD || type == FO_MSG_BNDACK;
}

/* NULL where a value may begin with this byte, else what it should be. */
static const char *first_byte_expected(uint16_t code, uint8_t byte)
{
    if (code == FO_OPT_BINDING_STATUS && (byte < FO_FREE || byte > FO_BACKUP))
        return "1 to 7";
    if (code == FO_OPT_SERVER_STATE && byte != FO_STATE_RECOVER_WAIT &&
        (byte <= FO_STATE_STARTUP || byte > FO_STATE_CONFLICT_DONE)) /* STARTUP is "never sent" */
        return "2 to 11 or 254";
    if (code == FO_OPT_CLIENT_HARDWARE_ADDRESS && byte == 0)
        return "a hardware type"; /* 12.5: "it MUST NOT be zero!" */
    return NULL;
}

/* ------------------------------------------------------------------ errors */

static bool fail(struct fo_decode_error *error, enum fo_reject_reason reason, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));

static bool fail(struct fo_decode_error *error, enum fo_reject_reason reason, const char *format,
                 ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->reason = reason;
    return false;
}

static bool fail_length(struct fo_decode_error *error, uint8_t type, uint16_t code, uint16_t length)
{
    const struct option_rule *rule = &rules[code];
    char expected[32];
    if (rule->least == rule->most)
        snprintf(expected, sizeof expected, "%u", rule->least);
    else if (rule->most == ANY)
        snprintf(expected, sizeof expected, "at least %u", rule->least);
    else
        snprintf(expected, sizeof expected, "%u to %u", rule->least, rule->most);
    return fail(error, FO_REJECT_OTHER, "%s: option %s has %u byte%s, %s expected",
                fo_message_name(type), fo_option_name(code), length, length == 1 ? "" : "s",
                expected);
}

static bool fail_place(struct fo_decode_error *error, uint8_t type, uint16_t code)
{
    char allowed[48];
    size_t at = 0;
    for (uint8_t other = FO_MSG_POOLREQ; other <= FO_MSG_DISCONNECT; other++)
        if (((rules[code].outside | rules[code].inside) >> other & 1) && at < sizeof allowed)
            at += (size_t)snprintf(allowed + at, sizeof allowed - at, "%s%s", at > 0 ? ", " : "",
                                   fo_message_name(other));
    return fail(error, FO_REJECT_OTHER, "%s: option %s belongs in %s only",
                fo_message_name(type), fo_option_name(code), allowed);
}

/* ------------------------------------------------------------------ decoding */

int fo_frame_length(const uint8_t *data, size_t available)
{
    if (available < 2)
        return 0;
    int length = data[0] << 8 | data[1];
    return length < FO_HEADER_SIZE || length > FO_MESSAGE_MAX ? -1 : length;
}

/* Puts an option's value, whose length is right, where the rule says. */
static void store(const struct option_rule *rule, uint8_t *base, size_t field,
                  struct fo_bytes value)
{
    struct fo_update *update = (struct fo_update *)(void *)base;
    struct fo_message *message = (struct fo_message *)(void *)base;
    struct fo_reader reader;
    uint32_t number;
    fo_reader_init(&reader, value.data, value.length);
    switch ((enum form)rule->form) {
    case FORM_BYTE:
        base[field] = fo_read_u8(&reader);
        break;
    case FORM_NUMBER:
        number = fo_read_u32(&reader);
        memcpy(base + field, &number, sizeof number);
        break;
    case FORM_FLAGS:
        update->ip_flags = value.length == 1 ? fo_read_u8(&reader) : fo_read_u16(&reader);
        break;
    case FORM_BYTES:
        memcpy(base + field, &value, sizeof value);
        break;
    case FORM_BUCKETS:
        memcpy(base + field, value.data, FO_HBA_SIZE);
        break;
    case FORM_DDNS:
        update->ddns_flags = fo_read_u16(&reader);
        update->ddns_name = (struct fo_bytes){value.data + 2, (uint16_t)(value.length - 2)};
        break;
    case FORM_DIGEST:
        message->digest_type = fo_read_u8(&reader);
        message->digest = (struct fo_bytes){value.data + 1, (uint16_t)(value.length - 1)};
        break;
    }
}

/* May this option stand in this message, here, and with this value? */
static bool check_option(const struct fo_message *message, bool first, uint16_t code,
                         struct fo_bytes value, struct fo_decode_error *error)
{
    const struct option_rule *rule = &rules[code];
    const char *in = fo_message_name(message->type), *option = fo_option_name(code);
    if (!((rule->outside | rule->inside) >> message->type & 1))
        return fail_place(error, message->type, code);
    if (code == FO_OPT_MESSAGE_DIGEST && !first)
        return fail(error, FO_REJECT_OTHER, "%s: option %s is not the first, as it has to be", in,
                    option);
    if (value.length < rule->least || value.length > rule->most)
        return fail_length(error, message->type, code, value.length);
    const char *expected = value.length > 0 ? first_byte_expected(code, value.data[0]) : NULL;
    if (expected != NULL)
        return fail(error, code == FO_OPT_SERVER_STATE ? FO_REJECT_OTHER
                                                       : FO_REJECT_MISSING_INFORMATION,
                    "%s: option %s %s %u, %s expected", in, option,
                    value.length == 1 ? "is" : "begins with", value.data[0], expected);
    return true;
}

/* The transaction that an option belongs to: the last one, or the one that it opens. */
static struct fo_update *find_update(struct fo_message *message, uint16_t code,
                                     struct fo_decode_error *error)
{
    if (code == FO_OPT_ASSIGNED_IP_ADDRESS) {
        if (message->update_count == FO_UPDATES_MAX) {
            fail(error, FO_REJECT_OTHER, "%s: more than %d bindings",
                 fo_message_name(message->type), FO_UPDATES_MAX);
            return NULL;
        }
        struct fo_update *update = &message->updates[message->update_count++];
        memset(update, 0, sizeof *update);
        return update;
    }
    if (message->update_count == 0) {
        fail(error, FO_REJECT_OTHER, "%s: option %s comes before the first assigned-IP-address",
             fo_message_name(message->type), fo_option_name(code));
        return NULL;
    }
    return &message->updates[message->update_count - 1];
}

static bool decode_option(struct fo_message *message, bool first, uint16_t code,
                          struct fo_bytes value, struct fo_decode_error *error)
{
    const struct option_rule *rule = &rules[code];
    bool inside = (rule->inside >> message->type & 1) != 0;
    struct fo_update *update = NULL;
    if (!check_option(message, first, code, value, error))
        return false;
    if (inside && (update = find_update(message, code, error)) == NULL)
        return false;
    uint32_t *present = inside ? &update->present : &message->present;
    if (*present & FO_HAS(code))
        return fail(error, FO_REJECT_OTHER, "%s: option %s appears twice%s, once expected",
                    fo_message_name(message->type), fo_option_name(code),
                    inside ? " for one address" : "");
    *present |= FO_HAS(code);
    store(rule, inside ? (uint8_t *)update : (uint8_t *)message,
          inside ? rule->update_field : rule->message_field, value);
    return true;
}

static bool decode_options(struct fo_message *message, struct fo_reader *reader,
                           struct fo_decode_error *error)
{
    for (bool first = true; fo_reader_left(reader) > 0; first = false) {
        uint16_t code = fo_read_u16(reader);
        uint16_t length = fo_read_u16(reader);
        struct fo_bytes value = {fo_read_bytes(reader, length), length};
        if (!fo_reader_ok(reader))
            return fail(error, FO_REJECT_OTHER, "%s: the last option reaches beyond the message",
                        fo_message_name(message->type));
        if (code >= 1 && code <= FO_OPT_LAST && !decode_option(message, first, code, value, error))
            return false;
    }
    if (!(message->present & FO_HAS(FO_OPT_VENDOR_CLASS_IDENTIFIER))) {
        message->present &= ~FO_HAS(FO_OPT_VENDOR_SPECIFIC_OPTIONS); /* "MUST be ignored" (12.29) */
        message->vendor_options = (struct fo_bytes){NULL, 0};
    }
    if (has_updates(message->type) && message->update_count == 0)
        return fail(error, FO_REJECT_MISSING_INFORMATION,
                    "%s: no assigned-IP-address option, at least one expected",
                    fo_message_name(message->type));
    return true;
}

bool fo_decode(const struct fo_dialect *dialect, const uint8_t *frame, size_t length,
               struct fo_message *message, struct fo_decode_error *error)
{
    struct fo_reader reader;
    memset(message, 0, offsetof(struct fo_message, updates));
    fo_reader_init(&reader, frame, length);
    size_t stated = fo_read_u16(&reader);
    message->type = fo_read_u8(&reader);
    uint8_t offset = fo_read_u8(&reader);
    message->time = fo_read_u32(&reader);
    message->xid = fo_read_u32(&reader);
    if (!fo_reader_ok(&reader) || length > FO_MESSAGE_MAX)
        return fail(error, FO_REJECT_OTHER, "a message of %zu bytes, %d to %d expected", length,
                    FO_HEADER_SIZE, FO_MESSAGE_MAX);
    if (stated != length)
        return fail(error, FO_REJECT_OTHER, "a message of %zu bytes says that it has %zu", length,
                    stated);
    if (message->type == 0 || (message->type > FO_MSG_DISCONNECT && message->type < 128))
        return fail(error, FO_REJECT_OTHER, "message type %u is unknown, 1 to 12 expected",
                    message->type);
    if (message->type >= 128)
        return true; /* may be ignored (6.1) */
    if (offset < dialect->payload_offset_least || (offset > FO_HEADER_SIZE && offset > length))
        return fail(error, FO_REJECT_OTHER, "%s: payload offset %u in a message of %zu bytes, %d "
                    "expected", fo_message_name(message->type), offset, length, FO_HEADER_SIZE);
    if (offset > FO_HEADER_SIZE)
        fo_read_bytes(&reader, (size_t)offset - FO_HEADER_SIZE);
    return decode_options(message, &reader, error);
}

bool fo_vendor_option(const struct fo_message *message, uint16_t code, struct fo_bytes *value)
{
    struct fo_reader reader;
    struct fo_bytes found = {NULL, 0};
    if (!(message->present & FO_HAS(FO_OPT_VENDOR_SPECIFIC_OPTIONS)))
        return false;
    fo_reader_init(&reader, message->vendor_options.data, message->vendor_options.length);
    while (fo_reader_left(&reader) > 0) {
        uint16_t present = fo_read_u16(&reader);
        uint16_t length = fo_read_u16(&reader);
        const uint8_t *data = fo_read_bytes(&reader, length);
        if (present == code && found.data == NULL)
            found = (struct fo_bytes){data, length};
    }
    if (!fo_reader_ok(&reader) || found.data == NULL)
        return false;
    *value = found;
    return true;
}

/* ------------------------------------------------------------------ encoding */

static size_t value_length(const struct fo_dialect *dialect, const struct option_rule *rule,
                           const uint8_t *base, size_t field)
{
    struct fo_bytes bytes;
    switch ((enum form)rule->form) {
    case FORM_FLAGS:
        return dialect->ip_flags_size;
    case FORM_BYTES:
        memcpy(&bytes, base + field, sizeof bytes);
        return bytes.length;
    case FORM_DDNS:
        return (size_t)((const struct fo_update *)(const void *)base)->ddns_name.length + 2;
    case FORM_DIGEST:
        return (size_t)((const struct fo_message *)(const void *)base)->digest.length + 1;
    default:
        return rule->least;
    }
}

static void write_value(struct fo_writer *writer, const struct option_rule *rule, size_t length,
                        const uint8_t *base, size_t field)
{
    const struct fo_update *update = (const struct fo_update *)(const void *)base;
    const struct fo_message *message = (const struct fo_message *)(const void *)base;
    struct fo_bytes bytes;
    uint32_t number;
    switch ((enum form)rule->form) {
    case FORM_BYTE:
    case FORM_BUCKETS:
        fo_write_bytes(writer, base + field, length);
        break;
    case FORM_NUMBER:
        memcpy(&number, base + field, sizeof number);
        fo_write_u32(writer, number);
        break;
    case FORM_FLAGS:
        if (length == 2)
            fo_write_u8(writer, (uint8_t)(update->ip_flags >> 8));
        fo_write_u8(writer, (uint8_t)update->ip_flags);
        break;
    case FORM_BYTES:
        memcpy(&bytes, base + field, sizeof bytes);
        fo_write_bytes(writer, bytes.data, bytes.length);
        break;
    case FORM_DDNS:
        fo_write_u16(writer, update->ddns_flags);
        fo_write_bytes(writer, update->ddns_name.data, update->ddns_name.length);
        break;
    case FORM_DIGEST:
        fo_write_u8(writer, message->digest_type);
        fo_write_bytes(writer, message->digest.data, message->digest.length);
        break;
    }
}

static void encode_option(const struct fo_dialect *dialect, struct fo_writer *writer, uint16_t code,
                          const uint8_t *base, size_t field)
{
    const struct option_rule *rule = &rules[code];
    size_t length = value_length(dialect, rule, base, field);
    if (length < rule->least || length > rule->most) {
        writer->failed = true;
        return;
    }
    fo_write_u16(writer, code);
    fo_write_u16(writer, (uint16_t)length);
    write_value(writer, rule, length, base, field);
    if (fo_writer_ok(writer) && length > 0 &&
        first_byte_expected(code, writer->data[writer->at - length]) != NULL)
        writer->failed = true;
}

/* "assigned-IP-address option ... MUST appear first in the option set" (6.3), whatever its bit. */
static void encode_update(const struct fo_dialect *dialect, struct fo_writer *writer, uint8_t type,
                          const struct fo_update *update)
{
    uint32_t present = update->present | FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS);
    encode_option(dialect, writer, FO_OPT_ASSIGNED_IP_ADDRESS, (const uint8_t *)update,
                  OF_UPDATE(address));
    for (uint16_t code = 1; code <= FO_OPT_LAST; code++) {
        if (!(present & FO_HAS(code)) || code == FO_OPT_ASSIGNED_IP_ADDRESS)
            continue;
        if (!(rules[code].inside >> type & 1))
            writer->failed = true;
        encode_option(dialect, writer, code, (const uint8_t *)update, rules[code].update_field);
    }
}

/* The options outside transactions; the digest "MUST appear as the first option" (12.17). */
static void encode_outside(const struct fo_dialect *dialect, struct fo_writer *writer,
                           const struct fo_message *message)
{
    const uint8_t *base = (const uint8_t *)message;
    if (message->present & FO_HAS(FO_OPT_MESSAGE_DIGEST))
        encode_option(dialect, writer, FO_OPT_MESSAGE_DIGEST, base, OF_MESSAGE(digest));
    for (uint16_t code = 1; code <= FO_OPT_LAST; code++) {
        if (!(message->present & FO_HAS(code)) || code == FO_OPT_MESSAGE_DIGEST)
            continue;
        if (!(rules[code].outside >> message->type & 1))
            writer->failed = true;
        encode_option(dialect, writer, code, base, rules[code].message_field);
    }
    if ((message->present & FO_HAS(FO_OPT_VENDOR_SPECIFIC_OPTIONS)) &&
        !(message->present & FO_HAS(FO_OPT_VENDOR_CLASS_IDENTIFIER)))
        writer->failed = true; /* 12.29: would be ignored */
}

size_t fo_encode(const struct fo_dialect *dialect, const struct fo_message *message,
                 uint8_t *buffer, size_t capacity)
{
    struct fo_writer writer;
    if (message->type < FO_MSG_POOLREQ || message->type > FO_MSG_DISCONNECT ||
        message->update_count > FO_UPDATES_MAX ||
        has_updates(message->type) != (message->update_count > 0))
        return 0;
    fo_writer_init(&writer, buffer, capacity < FO_MESSAGE_MAX ? capacity : FO_MESSAGE_MAX);
    fo_write_u16(&writer, 0);
    fo_write_u8(&writer, message->type);
    fo_write_u8(&writer, dialect->payload_offset);
    fo_write_u32(&writer, message->time);
    fo_write_u32(&writer, message->xid);
    encode_outside(dialect, &writer, message);
    for (size_t i = 0; i < message->update_count; i++)
        encode_update(dialect, &writer, message->type, &message->updates[i]);
    size_t length = fo_writer_length(&writer);
    if (length != 0) {
        buffer[0] = (uint8_t)(length >> 8);
        buffer[1] = (uint8_t)length;
    }
    return length;
}

size_t fo_update_size(const struct fo_update *update)
{
    size_t size = 8; /* assigned-IP-address */
    for (uint16_t code = FO_OPT_ASSIGNED_IP_ADDRESS + 1; code <= FO_OPT_LAST; code++)
        if ((update->present & FO_HAS(code)) && rules[code].inside != 0)
            size += 4 + value_length(&fo_dialect_draft, &rules[code], (const uint8_t *)update,
                                     rules[code].update_field);
    return size;
}
