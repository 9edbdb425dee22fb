/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Bytes <-> messages (draft sections 6, 7 and 12), driven by one table: for each option its form,
 * where its value lies in the C structs, and in which messages it may stand.
 *
 * Where the draft leaves it open: a known option in a message where section 7 has no place for it
 * is an error that names both; unknown options are skipped (6.1). Lenient is what real partners
 * need: BNDUPD's time options with any status, and everything of CONNECTACK's table in a rejecting
 * one. A payload offset of 8, which 6.1 prints, is read as the 12 that its picture shows.
 */
#include "protocol/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/dialect.h"
#include "protocol/wire.h"

enum form { FORM_NONE, FORM_U8, FORM_U32, FORM_FLAGS, FORM_BYTES, FORM_BUCKETS, FORM_DDNS,
            FORM_DIGEST };

#define IN(type) (1U << FO_MSG_##type)
#define EVERYWHERE 0x1ffeU

struct option_rule {
    uint8_t form;
    uint16_t least, most;   /* FORM_BYTES: bounds of the length */
    uint16_t outside;       /* messages that may have it outside transactions, a bit each */
    uint16_t inside;        /* messages whose transactions may have it */
    uint16_t message_field; /* where in struct fo_message, */
    uint16_t update_field;  /* and in struct fo_update */
};

#define OF_MESSAGE(field) offsetof(struct fo_message, field)
#define OF_UPDATE(field) offsetof(struct fo_update, field)
#define BINDING (IN(BNDUPD) | IN(BNDACK))

static const struct option_rule rules[FO_OPT_LAST + 1] = {
    [FO_OPT_ADDRESSES_TRANSFERRED] = {FORM_U32, .outside = IN(POOLRESP),
                                      .message_field = OF_MESSAGE(addresses_transferred)},
    [FO_OPT_ASSIGNED_IP_ADDRESS] = {FORM_U32, .inside = BINDING,
                                    .update_field = OF_UPDATE(address)},
    [FO_OPT_BINDING_STATUS] = {FORM_U8, .inside = BINDING, .update_field = OF_UPDATE(status)},
    [FO_OPT_CLIENT_IDENTIFIER] = {FORM_BYTES, 1, 255, .inside = BINDING,
                                  .update_field = OF_UPDATE(client_identifier)},
    [FO_OPT_CLIENT_HARDWARE_ADDRESS] = {FORM_BYTES, 2, 21, .inside = BINDING,
                                        .update_field = OF_UPDATE(hardware_address)},
    [FO_OPT_CLIENT_LAST_TRANSACTION_TIME] = {FORM_U32, .inside = BINDING,
                                             .update_field = OF_UPDATE(client_last_transaction)},
    [FO_OPT_CLIENT_REPLY_OPTIONS] = {FORM_BYTES, 4, 2000, .inside = BINDING,
                                     .update_field = OF_UPDATE(reply_options)},
    [FO_OPT_CLIENT_REQUEST_OPTIONS] = {FORM_BYTES, 4, 2000, .inside = BINDING,
                                       .update_field = OF_UPDATE(request_options)},
    [FO_OPT_DDNS] = {FORM_DDNS, 2, 257, .inside = BINDING, .update_field = OF_UPDATE(ddns_name)},
    [FO_OPT_DELAYED_SERVICE_PARAMETER] = {FORM_U8, .outside = IN(CONNECT),
                                          .message_field = OF_MESSAGE(delayed_service)},
    [FO_OPT_HASH_BUCKET_ASSIGNMENT] = {FORM_BUCKETS, .outside = IN(CONNECT),
                                       .message_field = OF_MESSAGE(hash_buckets)},
    [FO_OPT_IP_FLAGS] = {FORM_FLAGS, .inside = BINDING, .update_field = OF_UPDATE(ip_flags)},
    [FO_OPT_LEASE_EXPIRATION_TIME] = {FORM_U32, .inside = BINDING,
                                      .update_field = OF_UPDATE(lease_expiration)},
    [FO_OPT_MAX_UNACKED_BNDUPD] = {FORM_U32, .outside = IN(CONNECT) | IN(CONNECTACK),
                                   .message_field = OF_MESSAGE(max_unacked)},
    [FO_OPT_MCLT] = {FORM_U32, .outside = IN(CONNECT), .message_field = OF_MESSAGE(mclt)},
    [FO_OPT_MESSAGE] = {FORM_BYTES, 0, 2000, .outside = IN(CONNECTACK) | IN(DISCONNECT),
                        .inside = IN(BNDACK), .message_field = OF_MESSAGE(message),
                        .update_field = OF_UPDATE(message)},
    [FO_OPT_MESSAGE_DIGEST] = {FORM_DIGEST, 2, 65, .outside = EVERYWHERE,
                               .message_field = OF_MESSAGE(digest)},
    [FO_OPT_POTENTIAL_EXPIRATION_TIME] = {FORM_U32, .inside = BINDING,
                                          .update_field = OF_UPDATE(potential_expiration)},
    [FO_OPT_RECEIVE_TIMER] = {FORM_U32, .outside = IN(CONNECT) | IN(CONNECTACK),
                              .message_field = OF_MESSAGE(receive_timer)},
    [FO_OPT_PROTOCOL_VERSION] = {FORM_U8, .outside = IN(CONNECT) | IN(CONNECTACK),
                                 .message_field = OF_MESSAGE(protocol_version)},
    [FO_OPT_REJECT_REASON] = {FORM_U8, .outside = IN(CONNECTACK) | IN(DISCONNECT),
                              .inside = IN(BNDACK), .message_field = OF_MESSAGE(reject_reason),
                              .update_field = OF_UPDATE(reject_reason)},
    [FO_OPT_RELATIONSHIP_NAME] = {FORM_BYTES, 1, 255, .outside = IN(CONNECT) | IN(CONNECTACK),
                                  .message_field = OF_MESSAGE(relationship_name)},
    [FO_OPT_SERVER_FLAGS] = {FORM_U8, .outside = IN(STATE),
                             .message_field = OF_MESSAGE(server_flags)},
    [FO_OPT_SERVER_STATE] = {FORM_U8, .outside = IN(STATE),
                             .message_field = OF_MESSAGE(server_state)},
    [FO_OPT_START_TIME_OF_STATE] = {FORM_U32, .outside = IN(STATE), .inside = BINDING,
                                    .message_field = OF_MESSAGE(start_of_state),
                                    .update_field = OF_UPDATE(start_of_state)},
    [FO_OPT_TLS_REPLY] = {FORM_U8, .outside = IN(CONNECTACK),
                          .message_field = OF_MESSAGE(tls_reply)},
    [FO_OPT_TLS_REQUEST] = {FORM_U8, .outside = IN(CONNECT),
                            .message_field = OF_MESSAGE(tls_request)},
    [FO_OPT_VENDOR_CLASS_IDENTIFIER] = {FORM_BYTES, 1, 255,
                                        .outside = IN(CONNECT) | IN(CONNECTACK),
                                        .message_field = OF_MESSAGE(vendor_class)},
    [FO_OPT_VENDOR_SPECIFIC_OPTIONS] = {FORM_BYTES, 0, 1024,
                                        .outside = IN(CONNECT) | IN(CONNECTACK),
                                        .message_field = OF_MESSAGE(vendor_options)},
};

/* ------------------------------------------------------------------ decoding */

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

int fo_frame_length(const uint8_t *data, size_t available)
{
    if (available < 2)
        return 0;
    int length = data[0] << 8 | data[1];
    return length < FO_HEADER_SIZE || length > FO_MESSAGE_MAX ? -1 : length;
}

/* The lengths that a fixed form may have on the wire. */
static bool length_fits(const struct option_rule *rule, uint16_t length)
{
    switch (rule->form) {
    case FORM_U8:
        return length == 1;
    case FORM_U32:
        return length == 4;
    case FORM_FLAGS: /* 12.12 draws two bytes and prints a length of 1 */
        return length == 2 || length == 1;
    case FORM_BUCKETS:
        return length == FO_HBA_SIZE;
    default:
        return length >= rule->least && length <= rule->most;
    }
}

static uint16_t read_flags(struct fo_reader *value, uint16_t length)
{
    return length == 1 ? fo_read_u8(value) : fo_read_u16(value);
}

/* Puts an option's value where the rule says, in a message or a transaction. */
static void store(const struct option_rule *rule, uint8_t *base, size_t field, const uint8_t *data,
                  uint16_t length)
{
    struct fo_reader value;
    fo_reader_init(&value, data, length);
    switch (rule->form) {
    case FORM_U8:
        base[field] = fo_read_u8(&value);
        break;
    case FORM_U32: {
        uint32_t number = fo_read_u32(&value);
        memcpy(base + field, &number, sizeof number);
        break;
    }
    case FORM_FLAGS:
        ((struct fo_update *)(void *)base)->ip_flags = read_flags(&value, length);
        break;
    case FORM_BUCKETS:
        memcpy(base + field, data, FO_HBA_SIZE);
        break;
    case FORM_DDNS:
        ((struct fo_update *)(void *)base)->ddns_flags = fo_read_u16(&value);
        ((struct fo_update *)(void *)base)->ddns_name =
            (struct fo_bytes){data + 2, (uint16_t)(length - 2)};
        break;
    case FORM_DIGEST:
        ((struct fo_message *)(void *)base)->digest_type = fo_read_u8(&value);
        ((struct fo_message *)(void *)base)->digest =
            (struct fo_bytes){data + 1, (uint16_t)(length - 1)};
        break;
    default: {
        struct fo_bytes bytes = {data, length};
        memcpy(base + field, &bytes, sizeof bytes);
    }
    }
}

static bool valid_state(uint8_t state)
{
    return (state > FO_STATE_STARTUP && state <= FO_STATE_CONFLICT_DONE) ||
           state == FO_STATE_RECOVER_WAIT;
}

/* Values that no partner may say. */
static bool check_value(const struct fo_message *message, uint16_t code, const uint8_t *data,
                        struct fo_decode_error *error)
{
    if (code == FO_OPT_BINDING_STATUS && (data[0] < FO_FREE || data[0] > FO_BACKUP))
        return fail(error, FO_REJECT_MISSING_INFORMATION, "%s: binding-status %u is not 1 to 7",
                    fo_message_name(message->type), data[0]);
    if (code == FO_OPT_SERVER_STATE && !valid_state(data[0]))
        return fail(error, FO_REJECT_OTHER, "STATE: server-state %u is not 2 to 11 or 254", data[0]);
    if (code == FO_OPT_CLIENT_HARDWARE_ADDRESS && data[0] == 0)
        return fail(error, FO_REJECT_MISSING_INFORMATION, "%s: hardware type 0",
                    fo_message_name(message->type));
    return true;
}

static bool decode_option(struct fo_message *message, bool first, uint16_t code,
                          const uint8_t *data, uint16_t length, struct fo_decode_error *error)
{
    const struct option_rule *rule = &rules[code];
    const char *in = fo_message_name(message->type), *option = fo_option_name(code);
    uint16_t bit = (uint16_t)(1U << message->type);
    struct fo_update *update =
        message->update_count ? &message->updates[message->update_count - 1] : NULL;

    if (!length_fits(rule, length))
        return fail(error, FO_REJECT_OTHER, "%s: option %s has a length of %u, which is wrong", in,
                    option, length);
    if (!((rule->outside | rule->inside) & bit))
        return fail(error, FO_REJECT_OTHER, "%s: option %s has no place in this message", in,
                    option);
    if (code == FO_OPT_MESSAGE_DIGEST && !first)
        return fail(error, FO_REJECT_OTHER, "%s: message-digest is not the first option", in);
    if (!check_value(message, code, data, error))
        return false;
    if (code == FO_OPT_ASSIGNED_IP_ADDRESS) {
        if (message->update_count == FO_UPDATES_MAX)
            return fail(error, FO_REJECT_OTHER, "%s: more than %d bindings", in, FO_UPDATES_MAX);
        update = &message->updates[message->update_count++];
        memset(update, 0, sizeof *update);
    } else if ((rule->inside & bit) && update == NULL) {
        return fail(error, FO_REJECT_OTHER, "%s: option %s before the first assigned-IP-address",
                    in, option);
    }
    bool inside = (rule->inside & bit) != 0;
    uint32_t *present = inside ? &update->present : &message->present;
    if (*present & FO_HAS(code))
        return fail(error, FO_REJECT_OTHER, "%s: option %s appears twice", in, option);
    *present |= FO_HAS(code);
    store(rule, inside ? (uint8_t *)update : (uint8_t *)message,
          inside ? rule->update_field : rule->message_field, data, length);
    return true;
}

static bool decode_options(struct fo_message *message, struct fo_reader *reader,
                           struct fo_decode_error *error)
{
    bool first = true;
    while (fo_reader_left(reader) > 0) {
        uint16_t code = fo_read_u16(reader);
        uint16_t length = fo_read_u16(reader);
        const uint8_t *data = fo_read_bytes(reader, length);
        if (!fo_reader_ok(reader))
            return fail(error, FO_REJECT_OTHER, "%s: an option reaches beyond the end of the message",
                        fo_message_name(message->type));
        if (code >= 1 && code <= FO_OPT_LAST &&
            !decode_option(message, first, code, data, length, error))
            return false;
        first = false;
    }
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
    if (!fo_reader_ok(&reader) || stated != length || length > FO_MESSAGE_MAX)
        return fail(error, FO_REJECT_OTHER, "a message of %zu bytes says that it has %zu", length,
                    stated);
    if (offset < dialect->payload_offset_least ||
        (offset > FO_HEADER_SIZE && offset > length))
        return fail(error, FO_REJECT_OTHER, "%s: payload offset %u, 12 is right",
                    fo_message_name(message->type), offset);
    if (message->type == 0 || (message->type > FO_MSG_DISCONNECT && message->type < 128))
        return fail(error, FO_REJECT_OTHER, "message type %u is unknown", message->type);
    if (message->type >= 128)
        return true; /* may be ignored (6.1) */
    if (offset > FO_HEADER_SIZE)
        fo_read_bytes(&reader, (size_t)offset - FO_HEADER_SIZE);
    if (!decode_options(message, &reader, error))
        return false;
    if ((message->type == FO_MSG_BNDUPD || message->type == FO_MSG_BNDACK) &&
        message->update_count == 0)
        return fail(error, FO_REJECT_MISSING_INFORMATION, "%s without an assigned-IP-address",
                    fo_message_name(message->type));
    return true;
}

bool fo_vendor_option(const struct fo_message *message, uint16_t code, struct fo_bytes *value)
{
    struct fo_reader reader;
    fo_reader_init(&reader, message->vendor_options.data, message->vendor_options.length);
    while (fo_reader_left(&reader) > 0) {
        uint16_t found = fo_read_u16(&reader);
        uint16_t length = fo_read_u16(&reader);
        const uint8_t *data = fo_read_bytes(&reader, length);
        if (!fo_reader_ok(&reader))
            return false;
        if (found == code) {
            *value = (struct fo_bytes){data, length};
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------ encoding */

static void write_bytes(struct fo_writer *writer, uint16_t code, struct fo_bytes bytes)
{
    fo_write_u16(writer, code);
    fo_write_u16(writer, bytes.length);
    fo_write_bytes(writer, bytes.data, bytes.length);
}

static void encode_option(const struct fo_dialect *dialect, struct fo_writer *writer, uint16_t code,
                          const uint8_t *base, size_t field)
{
    const struct fo_update *update = (const struct fo_update *)(const void *)base;
    const struct fo_message *message = (const struct fo_message *)(const void *)base;
    struct fo_bytes bytes;
    uint32_t number;
    switch (rules[code].form) {
    case FORM_U8:
        write_bytes(writer, code, (struct fo_bytes){base + field, 1});
        break;
    case FORM_U32:
        memcpy(&number, base + field, sizeof number);
        fo_write_u16(writer, code);
        fo_write_u16(writer, 4);
        fo_write_u32(writer, number);
        break;
    case FORM_FLAGS:
        fo_write_u16(writer, code);
        fo_write_u16(writer, dialect->ip_flags_size);
        if (dialect->ip_flags_size == 2)
            fo_write_u8(writer, (uint8_t)(update->ip_flags >> 8));
        fo_write_u8(writer, (uint8_t)update->ip_flags);
        break;
    case FORM_BUCKETS:
        write_bytes(writer, code, (struct fo_bytes){base + field, FO_HBA_SIZE});
        break;
    case FORM_DDNS:
        fo_write_u16(writer, code);
        fo_write_u16(writer, (uint16_t)(update->ddns_name.length + 2));
        fo_write_u16(writer, update->ddns_flags);
        fo_write_bytes(writer, update->ddns_name.data, update->ddns_name.length);
        break;
    case FORM_DIGEST:
        fo_write_u16(writer, code);
        fo_write_u16(writer, (uint16_t)(message->digest.length + 1));
        fo_write_u8(writer, message->digest_type);
        fo_write_bytes(writer, message->digest.data, message->digest.length);
        break;
    default:
        memcpy(&bytes, base + field, sizeof bytes);
        write_bytes(writer, code, bytes);
    }
}

static void encode_update(const struct fo_dialect *dialect, struct fo_writer *writer,
                          const struct fo_update *update)
{
    encode_option(dialect, writer, FO_OPT_ASSIGNED_IP_ADDRESS, (const uint8_t *)update,
                  OF_UPDATE(address)); /* "MUST appear first" (6.3) */
    for (uint16_t code = FO_OPT_ASSIGNED_IP_ADDRESS + 1; code <= FO_OPT_LAST; code++)
        if ((update->present & FO_HAS(code)) && rules[code].inside)
            encode_option(dialect, writer, code, (const uint8_t *)update, rules[code].update_field);
}

size_t fo_encode(const struct fo_dialect *dialect, const struct fo_message *message,
                 uint8_t *buffer, size_t capacity)
{
    struct fo_writer writer;
    fo_writer_init(&writer, buffer, capacity < FO_MESSAGE_MAX ? capacity : FO_MESSAGE_MAX);
    fo_write_u16(&writer, 0);
    fo_write_u8(&writer, message->type);
    fo_write_u8(&writer, dialect->payload_offset);
    fo_write_u32(&writer, message->time);
    fo_write_u32(&writer, message->xid);
    if (message->present & FO_HAS(FO_OPT_MESSAGE_DIGEST)) /* "MUST appear as the first" (12.17) */
        encode_option(dialect, &writer, FO_OPT_MESSAGE_DIGEST, (const uint8_t *)message,
                      OF_MESSAGE(digest));
    for (uint16_t code = 1; code <= FO_OPT_LAST; code++)
        if ((message->present & FO_HAS(code)) && code != FO_OPT_MESSAGE_DIGEST &&
            rules[code].outside)
            encode_option(dialect, &writer, code, (const uint8_t *)message,
                          rules[code].message_field);
    for (size_t i = 0; i < message->update_count; i++)
        encode_update(dialect, &writer, &message->updates[i]);
    size_t length = fo_writer_length(&writer);
    if (length != 0) {
        buffer[0] = (uint8_t)(length >> 8);
        buffer[1] = (uint8_t)length;
    }
    return length;
}

size_t fo_update_size(const struct fo_update *update)
{
    uint8_t scratch[FO_MESSAGE_MAX];
    struct fo_writer writer;
    fo_writer_init(&writer, scratch, sizeof scratch);
    encode_update(&fo_dialect_draft, &writer, update);
    return fo_writer_ok(&writer) ? fo_writer_length(&writer) : SIZE_MAX;
}
