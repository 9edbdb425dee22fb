/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What two partners have differently although both should have it alike, told to the operator before
 * it hurts: MCLT and division of clients (the primary's count, 7.8.2), the addresses of the pools, mode
 * and hash-input (which no message of the draft tells), and the clocks (5.10: any difference is corrected,
 * but a large one is a wrong clock).
 */
#include <stdlib.h>
#include <string.h>

#include "hook/service_internal.h"
#include "protocol/hash_bucket.h"

enum {
    RANGES_SHOWN = 8,             /* in one message; how many more there are is said */
    CLOCK_WARNING_S = 30,         /* half of what refuses a connection by default */
};

void fo_note_primary_differs(struct fo_relationship *relationship, enum fo_note what)
{
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    const char *name = relationship->config.name;
    char theirs[16], ours[16];
    if (what == FO_NOTE_MCLT)
        fo_say(relationship->service, FAILOVER_MCLT_DIFFERS, name,
               fo_print(theirs, sizeof theirs, "%u", endpoint->record.mclt),
               fo_print(ours, sizeof ours, "%u", relationship->config.mclt), NULL);
    else
        fo_say(relationship->service, FAILOVER_DIVISION_DIFFERS, name,
               fo_print(theirs, sizeof theirs, "%u",
                        fo_hash_buckets_count(endpoint->record.secondary_buckets)),
               fo_print(ours, sizeof ours, "%u",
                        fo_hash_buckets_count(endpoint->settings.session.secondary_buckets)),
               NULL);
}

/* ------------------------------------------------------------------ pools */

void fo_relationship_tell_pools(struct fo_relationship *relationship)
{
    const struct fo_table *table = &relationship->service->table;
    struct fo_ranges ranges = {.count = 0};
    for (size_t i = 0; i < table->pool_count; i++)
        if (table->pools[i].relationship == relationship->index && !table->pools[i].retired)
            fo_ranges_append(&ranges, table->pools[i].range.first, table->pools[i].range.last);
    fo_endpoint_set_pools(&relationship->endpoint, &ranges);
}

/* "192.0.2.7, 192.0.2.10 - 192.0.2.19": what only `one` has; false where that is nothing. */
static bool only_in(const struct fo_ranges *one, const struct fo_ranges *other, char *text,
                    size_t size)
{
    struct fo_range range;
    size_t used = 0, count = 0;
    uint32_t from = 0;
    char first[16], last[16];
    fo_print(text, size, "nothing");
    while (fo_ranges_only_in(one, other, from, &range)) {
        if (count++ < RANGES_SHOWN) {
            fo_address_text(range.first, first);
            fo_address_text(range.last, last);
            fo_print(text + used, size - used, "%s%s%s%s", used ? ", " : "", first,
                     range.last > range.first ? " - " : "", range.last > range.first ? last : "");
            used += strlen(text + used);
        }
        if (range.last == UINT32_MAX)
            break;
        from = range.last + 1;
    }
    if (count > RANGES_SHOWN)
        fo_print(text + used, size - used, " and %zu more ranges", count - RANGES_SHOWN);
    return count > 0;
}

void fo_note_pools(struct fo_relationship *relationship)
{
    const struct fo_session *session = &relationship->endpoint.session;
    const struct fo_ranges *ours = &relationship->endpoint.settings.session.pools;
    const struct fo_ranges *theirs = &session->partner.pools;
    const char *name = relationship->config.name;
    char here[RANGES_SHOWN * 36 + 40], there[RANGES_SHOWN * 36 + 40];
    bool differ = only_in(ours, theirs, here, sizeof here);
    differ = only_in(theirs, ours, there, sizeof there) || differ;
    if (differ)
        fo_say(relationship->service, FAILOVER_POOLS_DIFFER, name,
               relationship->config.partner.name, here, there, NULL);
    else if (relationship->pools_differ)
        fo_say(relationship->service, FAILOVER_CONFIG_CHANGED, name,
               "the pools are the same on both servers again", NULL);
    relationship->pools_differ = differ;
    relationship->pools_told_at = fo_service_now(relationship->service).ms;
    fo_retry_rejected(relationship); /* the partner may have the addresses now */
}

/* ------------------------------------------------------------------ how clients are served */

const char *fo_mode_name(uint8_t mode)
{
    return mode == FO_MODE_LOAD_BALANCING ? "load-balancing"
           : mode == FO_MODE_HOT_STANDBY  ? "hot-standby"
                                          : NULL;
}

const char *fo_hash_input_name(uint8_t hash_input)
{
    return hash_input == FO_HASH_IDENTIFIER ? "client-identifier"
           : hash_input == FO_HASH_HARDWARE ? "hw-address"
                                            : NULL;
}

/* NULL: the partner, an older version of this software or another one, does not say. */
static void note_word(struct fo_relationship *relationship, enum fo_log_id id, const char *ours,
                      const char *theirs, const char *same_again, bool *differs)
{
    const char *name = relationship->config.name;
    const bool differed = *differs;
    *differs = theirs != NULL && strcmp(ours, theirs) != 0;
    if (*differs)
        fo_say(relationship->service, id, name, ours, relationship->config.partner.name, theirs, NULL);
    else if (differed && theirs != NULL)
        fo_say(relationship->service, FAILOVER_CONFIG_CHANGED, name, same_again, NULL);
}

void fo_note_serving(struct fo_relationship *relationship)
{
    const struct fo_serving *ours = &relationship->endpoint.settings.session.serving;
    const struct fo_serving *theirs = &relationship->endpoint.session.partner.serving;
    note_word(relationship, FAILOVER_MODE_DIFFERS, fo_mode_name(ours->mode),
              fo_mode_name(theirs->mode), "mode is the same on both servers again",
              &relationship->mode_differs);
    note_word(relationship, FAILOVER_HASH_INPUT_DIFFERS, fo_hash_input_name(ours->hash_input),
              fo_hash_input_name(theirs->hash_input), "hash-input is the same on both servers again",
              &relationship->hash_input_differs);
}

/* ------------------------------------------------------------------ all of it */

void fo_list_differences(const struct fo_relationship *relationship,
                         const char *keys[FO_DIFFERENCES_MAX + 1])
{
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    const struct fo_session_settings *settings = &endpoint->settings.session;
    const bool follows = !settings->primary; /* the primary does not hear what the secondary has */
    const struct {
        bool differs;
        const char *key;
    } all[FO_DIFFERENCES_MAX] = {
        {relationship->mode_differs, "mode"},
        {relationship->hash_input_differs, "hash-input"},
        {follows && endpoint->record.mclt != settings->mclt, "max-client-lead-time"},
        {follows && memcmp(endpoint->record.secondary_buckets, settings->secondary_buckets,
                           FO_HBA_SIZE) != 0, "division"},
        {relationship->pools_differ, "pools"},
    };
    for (size_t i = 0; i < FO_DIFFERENCES_MAX; i++)
        if (all[i].differs)
            *keys++ = all[i].key;
    *keys = NULL;
}

/* ------------------------------------------------------------------ updates and names */

void fo_note_outside_pools(struct fo_relationship *relationship, enum fo_log_id id, uint32_t address,
                           int64_t *logged)
{
    const int64_t now = fo_service_now(relationship->service).ms;
    char text[16];
    if (*logged != 0 && now - *logged < FO_DIFFER_LOG_MS)
        return; /* a pool may have millions, each tried every five minutes */
    *logged = now;
    fo_say(relationship->service, id, relationship->config.name, fo_address_text(address, text),
           NULL);
}

/* 5.12: "SHOULD output a warning message". */
void fo_note_partners_names(struct fo_relationship *relationship)
{
    struct fo_service *service = relationship->service;
    const int64_t now = fo_service_now(service).ms;
    if (service->names ||
        (relationship->names_logged != 0 && now - relationship->names_logged < FO_DIFFER_LOG_MS))
        return;
    relationship->names_logged = now;
    fo_say(service, FAILOVER_DNS_DIFFERS, relationship->config.name,
           relationship->config.partner.name, NULL);
}

/* ------------------------------------------------------------------ clocks */

void fo_watch_clock(struct fo_relationship *relationship, const struct fo_now *now)
{
    const struct fo_session *session = &relationship->endpoint.session;
    char text[16];
    if (!relationship->endpoint.communicating || now->ms < relationship->clock_warning_at)
        return;
    const int32_t delta = session->delta_lately; /* ours minus the partner's */
    if (abs(delta) < CLOCK_WARNING_S)
        return;
    relationship->clock_warning_at = now->ms + FO_DIFFER_LOG_MS;
    fo_say(relationship->service, FAILOVER_CLOCK_DIFFERENCE, relationship->config.name,
           relationship->config.partner.name, fo_print(text, sizeof text, "%d", abs(delta)),
           delta < 0 ? "ahead of" : "behind", NULL);
}
