/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The fields of a message in a scenario's words: `STATE NORMAL startup`, `BNDUPD 192.0.2.10 ACTIVE
 * client A name A lease +60 potential +360`. Built into a message that is said, compared with one that was
 * heard (only the fields that are named), or told in the words with which it could be expected.
 *
 * A moment is relative to the time in the message's header: +60, -10m, +2h, now; or never (0).
 */
#include "tests/scenarios/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/dialect.h"
#include "protocol/hash_bucket.h"
#include "protocol/session_internal.h"

enum { MOMENT_TOLERANCE = 1 }; /* seconds: a commit takes a tenth of one, and times are whole ones */

enum kind { BYTE, NUMBER, MOMENT, TEXT };

static const struct field {
    const char *word;
    uint8_t option;
    enum kind kind;
    bool in_update;
    size_t offset;
} fields[] = {
#define OUTSIDE(word, option, kind, member) \
    {word, FO_OPT_##option, kind, false, offsetof(struct fo_message, member)}
#define INSIDE(word, option, kind, member) \
    {word, FO_OPT_##option, kind, true, offsetof(struct fo_update, member)}
    OUTSIDE("mclt", MCLT, NUMBER, mclt),
    OUTSIDE("max-unacked", MAX_UNACKED_BNDUPD, NUMBER, max_unacked),
    OUTSIDE("receive-timer", RECEIVE_TIMER, NUMBER, receive_timer),
    OUTSIDE("version", PROTOCOL_VERSION, BYTE, protocol_version),
    OUTSIDE("tls-request", TLS_REQUEST, BYTE, tls_request),
    OUTSIDE("tls-reply", TLS_REPLY, BYTE, tls_reply),
    OUTSIDE("relationship", RELATIONSHIP_NAME, TEXT, relationship_name),
    OUTSIDE("vendor-class", VENDOR_CLASS_IDENTIFIER, TEXT, vendor_class),
    OUTSIDE("addresses", ADDRESSES_TRANSFERRED, NUMBER, addresses_transferred),
    OUTSIDE("reject", REJECT_REASON, BYTE, reject_reason),
    OUTSIDE("message", MESSAGE, TEXT, message),
    OUTSIDE("since", START_TIME_OF_STATE, MOMENT, start_of_state),
    INSIDE("lease", LEASE_EXPIRATION_TIME, MOMENT, lease_expiration),
    INSIDE("potential", POTENTIAL_EXPIRATION_TIME, MOMENT, potential_expiration),
    INSIDE("transaction", CLIENT_LAST_TRANSACTION_TIME, MOMENT, client_last_transaction),
    INSIDE("since", START_TIME_OF_STATE, MOMENT, start_of_state),
    INSIDE("reject", REJECT_REASON, BYTE, reject_reason),
    INSIDE("message", MESSAGE, TEXT, message),
    INSIDE("client", CLIENT_HARDWARE_ADDRESS, TEXT, hardware_address),
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static const struct field *field_of(const char *word, bool in_update)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (fields[i].in_update == in_update && strcmp(fields[i].word, word) == 0)
            return &fields[i];
    fail("\"%s\" is no field of this message", word);
}

static bool has_updates(const struct fo_message *message)
{
    return message->type == FO_MSG_BNDUPD || message->type == FO_MSG_BNDACK;
}

/* ------------------------------------------------------------------ saying */

static struct {
    uint8_t bytes[4000];
    size_t used;
} strings; /* of the message that is built */

static struct fo_bytes keep(const void *data, size_t length)
{
    if (strings.used + length > sizeof strings.bytes)
        fail("too much text in one message");
    uint8_t *at = memcpy(strings.bytes + strings.used, data, length);
    strings.used += length;
    return (struct fo_bytes){at, (uint16_t)length};
}

static void set_client(struct fo_update *update, struct client *client)
{
    const uint8_t type = 1;
    if (update->status == FO_ACTIVE)
        client->address = update->address; /* the partner has given it to the client */
    update->hardware_address = keep(&type, 1);
    update->hardware_address.length += keep(client->hardware, 6).length;
    update->present |= FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS);
    if (!client->has_identifier)
        return;
    update->client_identifier = keep(client->identifier, 7);
    update->present |= FO_HAS(FO_OPT_CLIENT_IDENTIFIER);
}

/* The host name, in client-reply-options, or, where it is in DNS, in the DDNS option (12.7, 12.9). */
static void set_name(struct fo_update *update, const char *name)
{
    struct fo_details_space space;
    const struct fo_details details = details_of_name(name);
    fo_details_say(&details, update, &space);
    if (update->reply_options.length != 0)
        update->reply_options = keep(update->reply_options.data, update->reply_options.length);
    if (update->ddns_name.length != 0)
        update->ddns_name = keep(update->ddns_name.data, update->ddns_name.length);
}

static void set_buckets(struct fo_message *message, const char *word)
{
    unsigned first = 1, last = 0;
    memset(message->hash_buckets, 0, FO_HBA_SIZE);
    if (strcmp(word, "none") != 0 && (sscanf(word, "%u-%u", &first, &last) != 2 || last > 255))
        fail("\"%s\" are no hash buckets: say 128-255, or none", word);
    for (unsigned i = first; i <= last; i++)
        message->hash_buckets[i / 8] |= (uint8_t)(1U << i % 8);
    message->present |= FO_HAS(FO_OPT_HASH_BUCKET_ASSIGNMENT);
}

static void put_number(uint8_t **at, uint8_t code, uint32_t number)
{
    const uint8_t bytes[8] = {0, code, 0, 4, (uint8_t)(number >> 24), (uint8_t)(number >> 16),
                              (uint8_t)(number >> 8), (uint8_t)number};
    memcpy(*at, bytes, sizeof bytes);
    *at += sizeof bytes;
}

/* Between two of this software (12.29): how many connections each remembers. */
static void set_remembers(struct fo_message *message, const char *own, const char *others)
{
    uint8_t bytes[16], *at = bytes;
    put_number(&at, 1, (uint32_t)atoi(own));
    put_number(&at, 2, (uint32_t)atoi(others));
    message->vendor_options = keep(bytes, sizeof bytes);
    message->vendor_class = keep("kea-failover scenario", 21);
    message->present |= FO_HAS(FO_OPT_VENDOR_SPECIFIC_OPTIONS) | FO_HAS(FO_OPT_VENDOR_CLASS_IDENTIFIER);
}

static void set_field(uint8_t *base, uint32_t *present, const struct field *field, const char *word,
                      uint32_t now)
{
    int64_t number;
    uint32_t moment;
    *present |= FO_HAS(field->option);
    if (field->kind == TEXT) {
        const struct fo_bytes bytes = keep(word, strlen(word));
        memcpy(base + field->offset, &bytes, sizeof bytes);
    } else if (field->kind == MOMENT) {
        if (!moment_of(word, now, &moment))
            fail("%s: \"%s\" is no moment: say +60, -10m, now or never", field->word, word);
        memcpy(base + field->offset, &moment, sizeof moment);
    } else {
        if (!number_of(word, &number) || number < 0 || number > UINT32_MAX)
            fail("%s: \"%s\" is no number", field->word, word);
        const uint32_t value = (uint32_t)number;
        if (field->kind == BYTE)
            base[field->offset] = (uint8_t)value;
        else
            memcpy(base + field->offset, &value, sizeof value);
    }
}

/* One word that needs no value. */
static bool set_flag(struct fo_message *message, struct fo_update *update, const char *word)
{
    if (update == NULL && strcmp(word, "startup") == 0)
        message->server_flags |= FO_SERVER_FLAG_STARTUP;
    else if (update != NULL && (strcmp(word, "reserved") == 0 || strcmp(word, "bootp") == 0))
        update->ip_flags |= *word == 'r' ? FO_IP_FLAG_RESERVED : FO_IP_FLAG_BOOTP;
    else
        return strcmp(word, "accepted") == 0;
    if (update != NULL)
        update->present |= FO_HAS(FO_OPT_IP_FLAGS);
    return true;
}

/* One that needs one, at line->words[*at], or takes an option out. */
static void set_value(struct fo_message *message, struct fo_update *update, const struct line *line,
                      size_t *at, uint32_t now)
{
    const char *word = line->words[*at];
    uint32_t *present = update != NULL ? &update->present : &message->present;
    if (++*at == line->count)
        fail("%s: its value is missing", word);
    const char *value = line->words[*at];
    if (strcmp(word, "no") == 0 && strcmp(value, "hash-buckets") == 0) {
        *present &= ~FO_HAS(FO_OPT_HASH_BUCKET_ASSIGNMENT);
    } else if (strcmp(word, "no") == 0) {
        *present &= ~FO_HAS(field_of(value, update != NULL)->option);
    } else if (update != NULL && strcmp(word, "client") == 0) {
        set_client(update, client_of_word(value));
    } else if (update != NULL && strcmp(word, "name") == 0) {
        set_name(update, value);
    } else if (update == NULL && strcmp(word, "hash-buckets") == 0) {
        set_buckets(message, value);
    } else if (update == NULL && strcmp(word, "remembers") == 0) {
        if (++*at == line->count)
            fail("remembers: how many connections of its own, how many of the server's");
        set_remembers(message, value, line->words[*at]);
    } else if (update == NULL && strcmp(word, "time") == 0) {
        if (!moment_of(value, now, &message->time))
            fail("time: \"%s\" is no moment", value);
    } else {
        set_field(update != NULL ? (uint8_t *)update : (uint8_t *)message, present,
                  field_of(word, update != NULL), value, now);
    }
}

/* What the draft demands of a message, unless the words say otherwise. */
static void set_defaults(struct fo_message *message)
{
    if (message->type == FO_MSG_CONNECT || message->type == FO_MSG_CONNECTACK) {
        message->present = FO_HAS(FO_OPT_RELATIONSHIP_NAME) | FO_HAS(FO_OPT_MAX_UNACKED_BNDUPD) |
                           FO_HAS(FO_OPT_RECEIVE_TIMER) | FO_HAS(FO_OPT_VENDOR_CLASS_IDENTIFIER) |
                           FO_HAS(FO_OPT_PROTOCOL_VERSION);
        message->relationship_name = keep("pair", 4);
        message->max_unacked = 50;
        message->receive_timer = 60;
        message->vendor_class = keep("scenario", 8);
        message->protocol_version = FO_PROTOCOL_VERSION;
    }
    if (message->type == FO_MSG_CONNECT) {
        message->present |= FO_HAS(FO_OPT_TLS_REQUEST) | FO_HAS(FO_OPT_MCLT);
        message->mclt = 60;
        set_buckets(message, "128-255");
    } else if (message->type == FO_MSG_CONNECTACK) {
        message->present |= FO_HAS(FO_OPT_TLS_REPLY);
    } else if (message->type == FO_MSG_STATE) {
        message->present = FO_HAS(FO_OPT_SERVER_STATE) | FO_HAS(FO_OPT_SERVER_FLAGS) |
                           FO_HAS(FO_OPT_START_TIME_OF_STATE);
        message->start_of_state = message->time;
    }
}

/* Addresses and their status; returns where the fields begin. */
static size_t build_updates(const struct line *line, size_t at, struct fo_message *message,
                            size_t *first)
{
    uint32_t from, to;
    if (at == line->count || !address_of_word(line->words[at], &from, &to))
        fail("%s: its addresses are missing", fo_message_name(message->type));
    *first = message->update_count;
    if (to - from >= FO_UPDATES_MAX - message->update_count)
        fail("too many addresses for one message");
    const uint8_t status = ++at < line->count ? status_of_word(line->words[at]) : 0;
    for (uint32_t address = from; address <= to; address++)
        message->updates[message->update_count++] = (struct fo_update){
            .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | (status ? FO_HAS(FO_OPT_BINDING_STATUS) : 0),
            .address = address, .status = status};
    return at + (status != 0);
}

void fields_build(const struct line *line, size_t from, struct fo_message *message, uint32_t now)
{
    strings.used = 0;
    memset(message, 0, sizeof *message);
    message->type = type_of_word(line->words[from]);
    message->time = now;
    if (message->type == 0)
        fail("\"%s\" is no message", line->words[from]);
    set_defaults(message);
    size_t at = from + 1, first = 0;
    if (message->type == FO_MSG_STATE) {
        if (at == line->count)
            fail("STATE: which one?");
        message->server_state = state_of_word(line->words[at++]);
    }
    if (has_updates(message))
        at = build_updates(line, at, message, &first);
    for (; at < line->count; at++) {
        if (has_updates(message) && strcmp(line->words[at], "and") == 0) {
            at = build_updates(line, at + 1, message, &first) - 1;
            continue;
        }
        const size_t word = at;
        if (!has_updates(message)) {
            if (!set_flag(message, NULL, line->words[at]))
                set_value(message, NULL, line, &at, now);
            continue;
        }
        for (size_t i = first; i < message->update_count; i++) {
            at = word;
            if (!set_flag(message, &message->updates[i], line->words[at]))
                set_value(message, &message->updates[i], line, &at, now);
        }
    }
}

/* ------------------------------------------------------------------ comparing */

static bool contains(struct fo_bytes bytes, const char *text)
{
    const size_t length = strlen(text);
    for (size_t i = 0; i + length <= bytes.length; i++)
        if (memcmp(bytes.data + i, text, length) == 0)
            return true;
    return false;
}

/* The field as it was heard, in words; `expected` is filled with what is wanted. */
static bool same_field(const uint8_t *base, uint32_t present, const struct field *field,
                       const char *word, uint32_t now)
{
    int64_t number;
    uint32_t moment, value;
    if (!(present & FO_HAS(field->option)))
        return false;
    if (field->kind == TEXT) {
        struct fo_bytes bytes;
        memcpy(&bytes, base + field->offset, sizeof bytes);
        return contains(bytes, word);
    }
    if (field->kind == BYTE)
        value = base[field->offset];
    else
        memcpy(&value, base + field->offset, sizeof value);
    if (field->kind == MOMENT) {
        if (!moment_of(word, now, &moment))
            fail("%s: \"%s\" is no moment: say +60, -10m, now or never", field->word, word);
        const int64_t apart = (int64_t)value - (int64_t)moment;
        return moment == 0 ? value == 0 : apart >= -MOMENT_TOLERANCE && apart <= MOMENT_TOLERANCE;
    }
    if (!number_of(word, &number))
        fail("%s: \"%s\" is no number", field->word, word);
    return value == number;
}

static bool same_client(const struct fo_update *update, const struct client *client)
{
    const struct fo_bytes *hardware = &update->hardware_address, *id = &update->client_identifier;
    const bool has = (update->present & FO_HAS(FO_OPT_CLIENT_IDENTIFIER)) != 0;
    return (update->present & FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS)) && hardware->length == 7 &&
           memcmp(hardware->data + 1, client->hardware, 6) == 0 && has == client->has_identifier &&
           (!has || (id->length == 7 && memcmp(id->data, client->identifier, 7) == 0));
}

/* The host name that is told, or an empty one. */
static void heard_name(const struct fo_update *update, char name[FO_DETAIL_MAX + 1])
{
    uint8_t space[FO_DETAIL_MAX];
    struct fo_details details;
    fo_details_hear(update, &details, space);
    snprintf(name, FO_DETAIL_MAX + 1, "%.*s", (int)details.name_length,
             details.name_length ? (const char *)details.name : "");
}

static bool same_name(const struct fo_update *update, const char *expected)
{
    char name[FO_DETAIL_MAX + 1];
    heard_name(update, name);
    return strcmp(name, expected) == 0;
}

static bool same_buckets(const struct fo_message *message, const char *word)
{
    struct fo_message expected = {0};
    set_buckets(&expected, word);
    return (message->present & FO_HAS(FO_OPT_HASH_BUCKET_ASSIGNMENT)) &&
           memcmp(message->hash_buckets, expected.hash_buckets, FO_HBA_SIZE) == 0;
}

/* Words without a value: 1 they fit, 0 they do not, -1 it is another word. */
static int same_flag(const struct fo_message *message, const struct fo_update *update,
                     const char *word)
{
    const uint32_t present = update != NULL ? update->present : message->present;
    if (strcmp(word, "accepted") == 0)
        return !(present & FO_HAS(FO_OPT_REJECT_REASON));
    if (update == NULL && strcmp(word, "startup") == 0)
        return message->server_flags & FO_SERVER_FLAG_STARTUP ? 1 : 0;
    if (update == NULL && strcmp(word, "running") == 0)
        return message->server_flags & FO_SERVER_FLAG_STARTUP ? 0 : 1;
    const uint16_t flags = update != NULL && (present & FO_HAS(FO_OPT_IP_FLAGS)) ? update->ip_flags : 0;
    if (update != NULL && strcmp(word, "reserved") == 0)
        return flags & FO_IP_FLAG_RESERVED ? 1 : 0;
    if (update != NULL && strcmp(word, "bootp") == 0)
        return flags & FO_IP_FLAG_BOOTP ? 1 : 0;
    return -1;
}

static bool same_value(const struct fo_message *message, const struct fo_update *update,
                       const char *word, const char *value, uint32_t now)
{
    const uint32_t present = update != NULL ? update->present : message->present;
    if (strcmp(word, "no") == 0 && update != NULL &&
        (strcmp(value, "reserved") == 0 || strcmp(value, "bootp") == 0))
        return same_flag(message, update, value) == 0;
    if (strcmp(word, "no") == 0 && update != NULL && strcmp(value, "name") == 0)
        return same_name(update, "");
    if (strcmp(word, "no") == 0)
        return !(present & FO_HAS(field_of(value, update != NULL)->option));
    if (update != NULL && strcmp(word, "client") == 0)
        return same_client(update, client_of_word(value));
    if (update != NULL && strcmp(word, "name") == 0)
        return same_name(update, value);
    if (update == NULL && strcmp(word, "hash-buckets") == 0)
        return same_buckets(message, value);
    return same_field(update != NULL ? (const uint8_t *)update : (const uint8_t *)message, present,
                      field_of(word, update != NULL), value, now);
}

bool fields_match(const struct line *line, size_t from, const struct fo_message *message, uint32_t now,
                  const char **differs)
{
    const struct fo_update *update = has_updates(message) ? &message->updates[0] : NULL;
    for (size_t at = from; at < line->count; at++) {
        const char *word = line->words[at];
        const int flag = same_flag(message, update, word);
        *differs = word;
        if (flag == 0)
            return false;
        if (flag == 1)
            continue;
        if (++at == line->count)
            fail("%s: its value is missing", word);
        if (!same_value(message, update, word, line->words[at], now))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ telling */

static const char *client_name(const struct fo_update *update)
{
    for (size_t i = 0; i < stage.client_count; i++)
        if (same_client(update, &stage.clients[i]))
            return stage.clients[i].name;
    return "of nobody known";
}

static size_t tell_field(const uint8_t *base, const struct field *field, char *text, size_t size,
                         uint32_t now)
{
    uint32_t value;
    if (field->option == FO_OPT_CLIENT_HARDWARE_ADDRESS)
        return (size_t)snprintf(text, size, " client %s",
                                client_name((const struct fo_update *)(const void *)base));
    if (field->kind == TEXT) {
        struct fo_bytes bytes;
        memcpy(&bytes, base + field->offset, sizeof bytes);
        return (size_t)snprintf(text, size, " %s \"%.*s\"", field->word, (int)bytes.length,
                                (const char *)bytes.data);
    }
    if (field->kind == BYTE)
        return (size_t)snprintf(text, size, " %s %u", field->word, base[field->offset]);
    memcpy(&value, base + field->offset, sizeof value);
    if (field->kind == NUMBER)
        return (size_t)snprintf(text, size, " %s %u", field->word, value);
    if (value == 0)
        return (size_t)snprintf(text, size, " %s never", field->word);
    return (size_t)snprintf(text, size, " %s %+lld", field->word, (long long)value - (long long)now);
}

void fields_tell(const struct fo_message *message, uint32_t now, char *text, size_t size)
{
    const bool inside = has_updates(message);
    const struct fo_update *update = &message->updates[0];
    char address[16], name[FO_DETAIL_MAX + 1] = "";
    size_t at = (size_t)snprintf(text, size, "%s", fo_message_name(message->type));
    if (message->type == FO_MSG_STATE)
        at += (size_t)snprintf(text + at, size - at, " %s%s", fo_state_name(message->server_state),
                               message->server_flags & FO_SERVER_FLAG_STARTUP ? " startup" : "");
    if (inside)
        at += (size_t)snprintf(text + at, size - at, " %s%s%s", fo_address_text(update->address, address),
                               update->present & FO_HAS(FO_OPT_BINDING_STATUS) ? " " : "",
                               update->present & FO_HAS(FO_OPT_BINDING_STATUS)
                                   ? fo_status_name(update->status) : "");
    if (inside && (update->present & FO_HAS(FO_OPT_IP_FLAGS)) && (update->ip_flags & FO_IP_FLAG_RESERVED))
        at += (size_t)snprintf(text + at, size - at, " reserved");
    const uint32_t present = inside ? update->present : message->present;
    for (size_t i = 0; i < FIELDS && at < size; i++)
        if (fields[i].in_update == inside && (present & FO_HAS(fields[i].option)))
            at += tell_field(inside ? (const uint8_t *)update : (const uint8_t *)message, &fields[i],
                             text + at, size - at, now);
    if (inside)
        heard_name(update, name);
    if (name[0] != '\0' && at < size)
        snprintf(text + at, size - at, " name %s", name);
}
