/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What was stored comes back at the start (rules of safety 7, 8, 18); persistence.c wrote it.
 *
 * The store is read before the pools are configured. So the bits of its pages are those of addresses
 * that are in no pool, and fo_table_prepare finds them like after a reload. The records of relationships
 * wait for those that are configured under their names: at the start, or where a reload brings one back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hook/persistence_internal.h"
#include "protocol/binding.h"
#include "protocol/wire.h"

/* ------------------------------------------------------------------ entry by entry */

static bool load_meta(struct fo_service *service, struct fo_reader *reader, char *error)
{
    uint8_t id[16];
    uint32_t version = fo_read_u32(reader);
    const uint8_t *stored = fo_read_bytes(reader, sizeof id);
    bool orderly = fo_read_u8(reader) != 0;
    service->last_stamp = service->away_since = fo_read_u32(reader);
    service->quarantine_until = fo_read_u32(reader) * !FO_FAULTY(QUARANTINE_LOST);
    if (fo_reader_left(reader) > 0) /* state files from before that was stored end here */
        service->doubts.stored = fo_read_u32(reader);
    if (fo_reader_left(reader) > 0) {
        service->compared_before.at = fo_read_u32(reader);
        service->compared_before.pools = (uint64_t)fo_read_u32(reader) << 32;
        service->compared_before.pools |= fo_read_u32(reader);
    }
    if (!fo_reader_ok(reader) || version != FO_STORE_FORMAT_VERSION) {
        snprintf(error, FO_CONFIG_ERROR_MAX, "format version %u, this software writes %u", version,
                 FO_STORE_FORMAT_VERSION);
        return false;
    }
    service->env->boot_id(service->env->context, id);
    service->same_boot = memcmp(id, stored, sizeof id) == 0;
    service->orderly = orderly;
    service->fresh_store = false;
    return true;
}

static bool load_binding(struct fo_service *service, uint32_t address, struct fo_reader *reader)
{
    struct fo_binding *binding = fo_table_make(&service->table, address);
    struct fo_client client = {0};
    struct fo_details details = {0};
    uint8_t ip_flags = 0;
    size_t length = 0;
    bool whole = true;
    if (binding == NULL)
        return false;
    binding->status = fo_read_u8(reader);
    binding->flags = fo_read_u8(reader);
    binding->generation = fo_read_u32(reader);
    binding->times.lease_expiration = fo_read_u32(reader);
    binding->times.sent_potential = fo_read_u32(reader);
    binding->times.acked_potential = fo_read_u32(reader);
    binding->times.received_potential = fo_read_u32(reader);
    binding->cltt = fo_read_u32(reader);
    binding->start_of_state = fo_read_u32(reader);
    binding->potential = fo_read_u32(reader);
    client.hardware_type = fo_read_u8(reader);
    client.hardware_length = fo_read_u8(reader);
    client.identifier_length = fo_read_u8(reader);
    client.hardware = fo_read_bytes(reader, client.hardware_length);
    client.identifier = fo_read_bytes(reader, client.identifier_length);
    if (fo_reader_left(reader) > 0) { /* state files from before there were details end here */
        ip_flags = fo_read_u8(reader);
        length = fo_reader_left(reader);
        whole = fo_details_unpack(fo_read_bytes(reader, length), length, &details);
    }
    if (!whole || !fo_reader_ok(reader) || binding->status < FO_FREE || binding->status > FO_RESET)
        return false;
    binding->flags &= (uint8_t)~FO_FLAG_IN_HEAP;
    binding->flags |= FO_FLAG_SENT; /* nothing says that it was not (5.2.2) */
    if (!fo_table_set_client(&service->table, binding, &client) ||
        !fo_table_set_details(&service->table, binding, &details))
        return false;
    binding->ip_flags = ip_flags;
    return (binding->status != FO_ACTIVE && binding->status != FO_ABANDONED) ||
           fo_table_watch_end(&service->table, binding);
}

static bool load_endpoint(struct fo_service *service, const uint8_t *name, size_t length,
                          struct fo_reader *reader)
{
    if (length > FO_NAME_MAX)
        return false;
    void *fresh = service->env->reallocate(service->env->context, service->stored_records,
                                           (service->stored_record_count + 1) *
                                               sizeof *service->stored_records);
    if (fresh == NULL)
        return false;
    service->stored_records = fresh;
    struct fo_stored_record *stored = &service->stored_records[service->stored_record_count];
    struct fo_endpoint_record *record = &stored->record;
    memset(stored, 0, sizeof *stored);
    memcpy(stored->name, name, length);
    record->state = fo_read_u8(reader);
    record->partner_state = fo_read_u8(reader);
    record->first_time = fo_read_u8(reader) != 0;
    record->need_all = fo_read_u8(reader) != 0;
    record->update_all_owed = fo_read_u8(reader) != 0;
    record->state_since = fo_read_u32(reader);
    record->partner_state_since = fo_read_u32(reader);
    record->wait_until = fo_read_u32(reader);
    record->mclt = fo_read_u32(reader);
    record->last_contact = fo_read_u32(reader);
    record->connections = fo_read_u32(reader);
    record->partner_connections = fo_read_u32(reader);
    const uint8_t *buckets = fo_read_bytes(reader, FO_HBA_SIZE);
    if (fo_reader_left(reader) > 0) { /* state files from before there were digests end here */
        record->connect_time = fo_read_u32(reader);
        record->connect_count = fo_read_u32(reader);
    }
    if (fo_reader_left(reader) > 0) /* ... and those from before SHUTDOWN here */
        record->shut_at = fo_read_u32(reader);
    if (fo_reader_left(reader) > 0) {
        record->past_mclt = fo_read_u32(reader);
        record->past_until = fo_read_u32(reader);
    }
    if (fo_reader_left(reader) > 0)
        record->away_since = fo_read_u32(reader);
    if (fo_reader_left(reader) > 0)
        record->forgetting = fo_read_u8(reader) != 0 && !FO_FAULTY(FORGETTING_LOST);
    if (fo_reader_left(reader) > 0)
        record->forgot_until = fo_read_u32(reader);
    if (!fo_reader_ok(reader))
        return false;
    memcpy(record->secondary_buckets, buckets, FO_HBA_SIZE);
    service->stored_record_count++;
    return true;
}

static bool bit_of(const uint8_t *bytes, uint32_t at)
{
    return (bytes[at / 8] >> (at % 8) & 1) != 0;
}

/* Where the pools are not known yet, its addresses are in none. */
static bool load_page(struct fo_service *service, uint32_t base, struct fo_reader *reader)
{
    const uint8_t *bytes = fo_read_bytes(reader, FO_PAGE_BYTES);
    if (!fo_reader_ok(reader) || base % FO_PAGE_ADDRESSES != 0 ||
        fo_table_past(&service->table, base) != NULL)
        return false;
    struct fo_pool *part =
        fo_table_add_past(&service->table, base, base + (FO_PAGE_ADDRESSES - 1));
    if (part == NULL)
        return false;
    for (uint32_t at = 0; at < FO_PAGE_ADDRESSES; at++) {
        fo_bitmap_put(&part->backup, at, bit_of(bytes, at));
        fo_bitmap_put(&part->unacked, at, bit_of(bytes + 512, at));
        fo_bitmap_put(&part->returning, at, bit_of(bytes + 1024, at));
    }
    for (uint32_t group = 0; group < part->open.bits; group++)
        fo_bitmap_put(&part->open, group, bit_of(bytes + 1536, group));
    return true;
}

static bool load_shares(struct fo_service *service, struct fo_reader *reader)
{
    struct fo_shares *shares = &service->shares;
    const uint32_t total = fo_read_u32(reader);
    void *fresh = service->env->reallocate(service->env->context, shares->shares,
                                           (shares->count + FO_SHARES_MAX) * sizeof *shares->shares);
    if (fresh == NULL)
        return false;
    shares->shares = fresh;
    for (unsigned k = 0; k < FO_SHARES_MAX && fo_reader_left(reader) > 0 && shares->count < total; k++) {
        struct fo_share *share = &shares->shares[shares->count++];
        share->first = fo_read_u32(reader);
        share->last = fo_read_u32(reader);
        share->party = (uint64_t)fo_read_u32(reader) << 32;
        share->party |= fo_read_u32(reader);
    }
    return fo_reader_ok(reader);
}

struct loading {
    struct fo_service *service;
    char *error;
};

static bool load_pair(void *context, const uint8_t *key, size_t key_length, const uint8_t *value,
                      size_t value_length)
{
    struct loading *loading = context;
    struct fo_service *service = loading->service;
    struct fo_reader reader;
    bool ok = false;
    uint32_t address = 0;
    if (key_length == 5)
        address = (uint32_t)key[1] << 24 | (uint32_t)key[2] << 16 | (uint32_t)key[3] << 8 | key[4];
    fo_reader_init(&reader, value, value_length);
    switch (key[0]) {
    case FO_STORE_KEY_META:
        ok = load_meta(service, &reader, loading->error);
        break;
    case FO_STORE_KEY_ENDPOINT:
        ok = load_endpoint(service, key + 1, key_length - 1, &reader);
        break;
    case FO_STORE_KEY_BINDING:
        ok = key_length == 5 && load_binding(service, address, &reader);
        break;
    case FO_STORE_KEY_PAGE:
        ok = key_length == 5 && load_page(service, address, &reader);
        break;
    case FO_STORE_KEY_SHARES:
        ok = load_shares(service, &reader);
        break;
    default:
        break;
    }
    if (!ok && loading->error[0] == '\0')
        snprintf(loading->error, FO_CONFIG_ERROR_MAX, "an entry is damaged, or memory ran out");
    return ok;
}

/* What the records say of the bits. */
static void follow_records(struct fo_service *service)
{
    struct fo_binding *binding;
    for (uint32_t i = 0; (binding = fo_table_record(&service->table, i)) != NULL; i++) {
        struct fo_pool *part = fo_table_past(&service->table, binding->address);
        if (part == NULL || binding->status == FO_FREE)
            continue;
        fo_bitmap_set(&part->used, bit_in(part, binding->address));
        /* Its page may be of a later batch than its record. */
        if (fo_status_becomes_free((enum fo_binding_status)binding->status) &&
            !(binding->flags & FO_FLAG_FREEING))
            fo_bitmap_set(&part->unacked, bit_in(part, binding->address));
    }
}

int fo_persistence_load(struct fo_service *service, char *error)
{
    struct loading loading = {service, error};
    error[0] = '\0';
    service->fresh_store = true;
    service->epoch_open = 1;
    int failure = service->env->store_load(service->env->context, load_pair, &loading);
    if (failure != 0 && error[0] == '\0')
        snprintf(error, FO_CONFIG_ERROR_MAX, "%s",
                 failure == EUCLEAN ? "it is damaged, or no state file" : strerror(failure));
    follow_records(service);
    return failure != 0 || error[0] != '\0' ? -1 : 0;
}

/* ------------------------------------------------------------------ records of relationships */

bool fo_persistence_record(struct fo_service *service, const char *name,
                           struct fo_endpoint_record *record)
{
    for (size_t i = 0; i < service->stored_record_count; i++)
        if (strcmp(service->stored_records[i].name, name) == 0) {
            *record = service->stored_records[i].record;
            record->last_operational = record->shut_at ? record->shut_at : service->last_stamp;
            return true;
        }
    memset(record, 0, sizeof *record);
    return false;
}

bool fo_persistence_reserve(struct fo_service *service)
{
    size_t most = service->stored_record_count + service->relationship_count;
    void *fresh = service->env->reallocate(service->env->context, service->stored_records,
                                           (most + 1) * sizeof *service->stored_records);
    if (fresh == NULL)
        return false;
    service->stored_records = fresh;
    return true;
}

void fo_persistence_keep(struct fo_service *service, const char *name,
                         const struct fo_endpoint_record *record)
{
    size_t place = 0;
    while (place < service->stored_record_count &&
           strcmp(service->stored_records[place].name, name) != 0)
        place++;
    struct fo_stored_record *stored = &service->stored_records[place];
    if (place == service->stored_record_count) {
        snprintf(stored->name, sizeof stored->name, "%s", name);
        service->stored_record_count++;
    }
    stored->record = *record;
}
