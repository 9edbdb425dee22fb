/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Updates to the partner (draft 7.1.1, 7.2.2, 5.16). What is pending is a bit of the address, not a
 * growing list: a partner away for a month costs no memory.
 *
 * An address may be sent when it is durable (rule "durable before it is said"), Kea's row follows it
 * (rule of safety 2) and no query has claimed it (rule of safety 1); it is in flight once at a time.
 */
#include "hook/service_internal.h"
#include "protocol/binding.h"

struct fo_relationship *fo_relationship_of_pool(struct fo_service *service,
                                                const struct fo_pool *pool)
{
    if (pool == NULL || pool->relationship < 0 ||
        (size_t)pool->relationship >= service->relationship_count)
        return NULL;
    return service->relationships[pool->relationship];
}

/* ------------------------------------------------------------------ choosing what to send */

/* Not while a query has it in its hands: an EXPIRED that leaves then would overtake the renewal. Nor
   before the acknowledgement of what the partner said of it: it would take the two for crossing. */
static bool sendable(struct fo_table *table, const struct fo_pool *pool, uint32_t bit)
{
    return !fo_bitmap_test(&pool->in_flight, bit) &&
           (fo_table_stored(pool, pool->range.first + bit) || FO_FAULTY(UPDATE_EARLY)) &&
           (!fo_bitmap_test(&pool->rows, bit) || FO_FAULTY(ROW_LATER)) &&
           !fo_bitmap_test(&pool->answering, bit) &&
           (!fo_table_claimed(table, pool->range.first + bit) || FO_FAULTY(CLAIMED_SENT) ||
            FO_FAULTY(HELD_MOVED));
}

bool fo_update_sendable(struct fo_service *service, const struct fo_pool *pool, uint32_t address)
{
    uint32_t bit = bit_in(pool, address);
    return fo_bitmap_test(&pool->unacked, bit) && sendable(&service->table, pool, bit);
}

/* The next sendable address, going round from where the last search ended. */
static struct fo_pool *find_sendable(struct fo_relationship *relationship, bool requested,
                                     uint32_t *bit)
{
    struct fo_service *service = relationship->service;
    struct fo_table *table = &service->table;
    int passed = 0;
    for (size_t round = 0; round <= table->pool_count && table->pool_count > 0; round++) {
        size_t number = relationship->send_pool % table->pool_count;
        struct fo_pool *pool = &table->pools[number];
        if (pool->relationship == relationship->index) {
            const struct fo_bitmap *wanted = requested ? &pool->requested : &pool->unacked;
            uint32_t at = fo_bitmap_next_but(wanted, &pool->in_flight, relationship->send_bit);
            for (; at != FO_BITMAP_NONE && passed < FO_SCAN_MAX;
                 at = fo_bitmap_next_but(wanted, &pool->in_flight, at + 1)) {
                if (sendable(table, pool, at)) {
                    relationship->send_pool = number;
                    relationship->send_bit = at + 1;
                    *bit = at;
                    return pool;
                }
                passed++;
            }
            if (at != FO_BITMAP_NONE) {
                relationship->send_bit = at; /* enough for now */
                return NULL;
            }
        }
        relationship->send_pool = number + 1;
        relationship->send_bit = 0;
    }
    return NULL;
}

/* Where the strings of one update are that are not in the record as they are said. */
struct said {
    uint8_t hardware[21];
    struct fo_details_space details;
};

static void describe_client(const struct fo_binding *binding, struct fo_update *update,
                            struct said *said)
{
    const struct fo_details details = fo_table_details(binding);
    struct fo_client client = fo_table_client(binding);
    if (client.identifier_length != 0) {
        update->present |= FO_HAS(FO_OPT_CLIENT_IDENTIFIER);
        update->client_identifier =
            (struct fo_bytes){client.identifier, client.identifier_length};
    }
    if (client.hardware_length != 0) {
        said->hardware[0] = client.hardware_type ? client.hardware_type : 1; /* "MUST NOT be zero" */
        for (size_t i = 0; i < client.hardware_length; i++)
            said->hardware[i + 1] = client.hardware[i];
        update->present |= FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS);
        update->hardware_address = (struct fo_bytes){said->hardware, client.hardware_length + 1};
    }
    if (details.told)
        fo_details_say(&details, update, &said->details);
}

/* An abandoned address has no end in an update; the partner counts its probation from this. So where it
   is to stay longer, until the end of a lease given meanwhile, that is the later moment to count from:
   the partner may be the only one to remember it, one day. */
static uint32_t start_to_tell(const struct fo_service *service, const struct fo_binding *binding)
{
    const uint32_t end = binding->times.lease_expiration, probation = service->decline_probation;
    if (binding->status == FO_ABANDONED && end > probation &&
        end - probation > binding->start_of_state)
        return end - probation;
    return binding->start_of_state;
}

/* Table 7.1-1. */
static void describe(struct fo_service *service, struct fo_pool *pool, uint32_t address,
                     struct fo_outgoing *out)
{
    /* Of the frame being packed: encode copies it before the next frame. */
    static _Thread_local struct said said[FO_UPDATES_SENT_MAX];
    static _Thread_local unsigned turn;
    struct fo_update *update = &out->update;
    const struct fo_binding *binding = fo_table_find(&service->table, address);
    *out = (struct fo_outgoing){0};
    update->address = address;
    update->status = (uint8_t)fo_table_status(&service->table, pool, address);
    update->present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS);
    if (fo_bitmap_test(&pool->reserved, bit_in(pool, address))) {
        update->present |= FO_HAS(FO_OPT_IP_FLAGS);
        update->ip_flags = FO_IP_FLAG_RESERVED;
    }
    if (binding == NULL)
        return;
    if (binding->ip_flags & FO_IP_FLAG_BOOTP) {
        update->present |= FO_HAS(FO_OPT_IP_FLAGS);
        update->ip_flags |= FO_IP_FLAG_BOOTP;
    }
    out->generation = binding->generation;
    if (update->status != FO_ABANDONED)
        describe_client(binding, update, &said[turn++ % FO_UPDATES_SENT_MAX]);
    if (binding->start_of_state != 0) {
        update->present |= FO_HAS(FO_OPT_START_TIME_OF_STATE);
        update->start_of_state = start_to_tell(service, binding);
    }
    if (binding->cltt != 0 && update->status != FO_ABANDONED) {
        update->present |= FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME);
        update->client_last_transaction = binding->cltt;
    }
    if (update->status == FO_ACTIVE) {
        update->present |= FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME) |
                           FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME);
        update->lease_expiration = binding->times.lease_expiration;
        update->potential_expiration = binding->potential > binding->times.lease_expiration
                                           ? binding->potential
                                           : binding->times.lease_expiration;
    }
}

bool fo_next_update(void *context, bool requested, size_t room, struct fo_outgoing *update)
{
    struct fo_relationship *relationship = context;
    struct fo_service *service = relationship->service;
    uint32_t bit;
    if (service->store_failing || service->doubts.moved) /* the latter: doubts.c */
        return false;
    relationship->send_held =
        service->env->net_queued(service->env->context, relationship->connection) >= FO_SEND_AHEAD;
    if (relationship->send_held)
        return false;
    struct fo_pool *pool = find_sendable(relationship, requested, &bit);
    if (pool == NULL)
        return false;
    uint32_t address = pool->range.first + bit;
    describe(service, pool, address, update);
    if (fo_update_size(&update->update) > room) {
        relationship->send_bit = bit;
        return false;
    }
    struct fo_binding *binding = fo_table_find(&service->table, address);
    if (binding != NULL)
        binding->flags |= FO_FLAG_SENT;
    if (binding != NULL && FO_FAULTY(ACKED_WHEN_SENT))
        binding->times.acked_potential = update->update.potential_expiration;
    fo_bitmap_set(&pool->in_flight, bit);
    return true;
}

/* ------------------------------------------------------------------ the partner's verdict */

static void note_rejected(struct fo_relationship *relationship, struct fo_pool *pool,
                          const struct fo_acknowledgement *ack)
{
    struct fo_service *service = relationship->service;
    char address[16], text[128];
    int length = ack->text.length > 100 ? 100 : ack->text.length;
    if (ack->reject_reason == FO_REJECT_ILLEGAL_ADDRESS && pool->retired)
        return; /* it is in no pool of either */
    if (ack->reject_reason == FO_REJECT_ILLEGAL_ADDRESS) {
        fo_note_outside_pools(relationship, FAILOVER_UPDATE_OUTSIDE_PARTNERS_POOLS, ack->address,
                              &relationship->outside_partners_logged);
        return;
    }
    fo_say(service,
           fo_reject_is_ordinary(ack->reject_reason) ? FAILOVER_UPDATE_OUTDATED
                                                     : FAILOVER_UPDATE_REJECTED,
           relationship->config.name, fo_address_text(ack->address, address),
           fo_status_name((uint8_t)fo_table_status(&service->table, pool, ack->address)),
           length ? fo_print(text, sizeof text, "%s: %.*s", fo_reject_name(ack->reject_reason),
                             length, (const char *)ack->text.data)
                  : fo_reject_name(ack->reject_reason),
           NULL);
}

/* For the operator's question. What is outdated is so by the next update; others are shown first. */
static void keep_example(struct fo_relationship *relationship,
                         const struct fo_acknowledgement *ack)
{
    struct fo_rejected *last = &relationship->last_rejected;
    const struct fo_pool *pool = fo_table_pool(&relationship->service->table, last->address);
    if (fo_reject_is_ordinary(ack->reject_reason) && last->address != ack->address &&
        pool != NULL && fo_bitmap_test(&pool->rejected, bit_in(pool, last->address)))
        return;
    last->address = ack->address;
    last->reason = ack->reject_reason;
    last->time = fo_service_now(relationship->service).seconds;
    const size_t most = sizeof last->text - 1;
    const size_t length = ack->text.length > most ? most : ack->text.length;
    for (size_t i = 0; i < length; i++) /* not for terminals to obey */
        last->text[i] = ack->text.data[i] >= ' ' && ack->text.data[i] < 0x7f
                            ? (char)ack->text.data[i] : '?';
    last->text[length] = '\0';
}

static void rejected(struct fo_relationship *relationship, struct fo_pool *pool,
                     const struct fo_acknowledgement *ack)
{
    struct fo_service *service = relationship->service;
    uint32_t bit = bit_in(pool, ack->address);
    note_rejected(relationship, pool, ack);
    keep_example(relationship, ack);
    fo_settle(service, pool, ack->address);
    if (pool->primary && fo_bitmap_test(&pool->returning, bit))
        fo_table_set_owner(&service->table, pool, ack->address, true); /* it stays the secondary's */
    else if (pool->primary && fo_bitmap_test(&pool->reserved, bit) &&
             fo_bitmap_test(&pool->backup, bit))
        fo_table_set_owner(&service->table, pool, ack->address, false); /* not shared: ours alone */
    if (!FO_FAULTY(REJECTED_DROPPED))
        fo_bitmap_set(&pool->rejected, bit);
}

/* An ended lease, or a probation, that is held, for somebody may have the address: the partner's word settles
   that, but not where it has lost its store and says yes to all. In NORMAL it has waited until what it may
   have forgotten was over, and is told again. */
static bool settles_doubt(const struct fo_relationship *relationship)
{
    return relationship->endpoint.record.state == FO_STATE_NORMAL;
}

/* The partner knows; what was on its way to FREE is there (5.11). */
static void accepted(struct fo_relationship *relationship, struct fo_pool *pool,
                     struct fo_binding *binding, const struct fo_acknowledgement *ack)
{
    struct fo_service *service = relationship->service;
    bool again = false;
    if (binding != NULL) {
        if (binding->status == FO_ACTIVE &&
            ack->potential_expiration > binding->times.acked_potential)
            binding->times.acked_potential = ack->potential_expiration;
        binding->flags &= (uint8_t)~FO_FLAG_ALONE;
        again = (binding->status == FO_ACTIVE || binding->status == FO_ABANDONED) &&
                (binding->flags & FO_FLAG_DOUBTFUL) && !settles_doubt(relationship);
        if ((binding->flags & FO_FLAG_DOUBTFUL) && !again) {
            binding->flags &= (uint8_t)~FO_FLAG_DOUBTFUL;
            fo_mark_row(service, pool, ack->address);
        }
        if (fo_status_becomes_free((enum fo_binding_status)binding->status))
            fo_free_lease(service, pool, binding);
    }
    uint32_t bit = bit_in(pool, ack->address);
    if (pool->primary && fo_bitmap_test(&pool->returning, bit))
        fo_table_set_owner(&service->table, pool, ack->address, false);
    fo_settle(service, pool, ack->address);
    if (again)
        fo_bitmap_set(&pool->unacked, bit);
}

void fo_acknowledged(void *context, const struct fo_acknowledgement *ack)
{
    struct fo_relationship *relationship = context;
    if (!fo_inbound_defer(relationship, ack))
        fo_take_acknowledgement(relationship, ack);
}

void fo_take_acknowledgement(struct fo_relationship *relationship,
                             const struct fo_acknowledgement *ack)
{
    struct fo_service *service = relationship->service;
    struct fo_pool *pool = fo_table_pool(&service->table, ack->address);
    if (pool == NULL || pool->relationship != relationship->index)
        return; /* the pool is gone since */
    uint32_t bit = bit_in(pool, ack->address);
    struct fo_binding *binding = fo_table_find(&service->table, ack->address);
    fo_bitmap_clear(&pool->in_flight, bit);
    if (!fo_bitmap_test(&pool->unacked, bit))
        return; /* an update of the partner's has settled it meanwhile */
    if (fo_ends_wait(relationship)) /* it may be the end of a lease that is about to go on */
        return;
    /* Of an older generation (rule of safety 3): the newer one is sent next. Where the partner has asked
       for updates, it has not been answered by this: what it knows is not true any more, least of all
       after an UPDREQALL that has lengthened all leases since (requested.c). */
    if ((binding ? binding->generation : 0) != ack->generation && !FO_FAULTY(ACK_ANY))
        return;
    if (ack->reject_reason == FO_REJECT_ILLEGAL_ADDRESS && ack->sent <= relationship->pools_told_at)
        return; /* it may be judged by pools from before the partner's news of them: sent again */
    if (ack->reject_reason != FO_REJECT_NONE)
        rejected(relationship, pool, ack);
    else
        accepted(relationship, pool, binding, ack);
}

void fo_updates_lost(void *context)
{
    struct fo_relationship *relationship = context;
    struct fo_table *table = &relationship->service->table;
    for (size_t i = 0; i < table->pool_count; i++)
        if (table->pools[i].relationship == relationship->index) {
            fo_bitmap_clear_all(&table->pools[i].in_flight);
            fo_bitmap_clear_all(&table->pools[i].answering);
        }
    fo_requested_lost(relationship);
    if (!FO_FAULTY(REPLAYED))
        fo_inbound_drop(relationship);
}

/* Whether what is in flight is an address of the relationship's still, or again; then its bit says so. */
static bool still_in_flight(void *context, uint32_t address)
{
    struct fo_relationship *relationship = context;
    struct fo_pool *pool = fo_table_pool(&relationship->service->table, address);
    if (pool == NULL || pool->relationship != relationship->index)
        return false;
    fo_bitmap_set(&pool->in_flight, bit_in(pool, address));
    return true;
}

void fo_updates_carry_on(struct fo_relationship *relationship)
{
    if (relationship->connection == 0) {
        fo_updates_lost(relationship);
        return;
    }
    fo_endpoint_sift(&relationship->endpoint, still_in_flight);
    fo_inbound_carry_on(relationship, still_in_flight);
}

void fo_retry_rejected(struct fo_relationship *relationship)
{
    struct fo_table *table = &relationship->service->table;
    for (size_t i = 0; i < table->pool_count; i++)
        if (table->pools[i].relationship == relationship->index &&
            table->pools[i].rejected.count > 0) {
            fo_bitmap_or(&table->pools[i].unacked, &table->pools[i].rejected);
            fo_bitmap_clear_all(&table->pools[i].rejected);
            table->pools[i].reserved_moved = true;
        }
}
