/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Updates from the partner (draft 7.1.2 to 7.1.4): judged by the table of 7.1.3, written to the
 * table of bindings, then to Kea's rows (rows.c), then to stable storage; only then BNDACK.
 *
 * BNDUPDs are answered in the order they came. A binding that a query has in its hands is not
 * waited for: the rest stays in the queue until the claim is gone (rule of safety 1).
 */
#include <string.h>

#include "hook/service_internal.h"
#include "protocol/binding.h"

/* ------------------------------------------------------------------ one binding */

static struct fo_client client_of(const struct fo_update *update)
{
    struct fo_client client = {0};
    if (update->present & FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS)) {
        client.hardware_type = update->hardware_address.data[0];
        client.hardware = update->hardware_address.data + 1;
        client.hardware_length = (uint8_t)(update->hardware_address.length - 1);
    }
    if (update->present & FO_HAS(FO_OPT_CLIENT_IDENTIFIER)) {
        client.identifier = update->client_identifier.data;
        client.identifier_length = (uint8_t)update->client_identifier.length;
    }
    return client;
}

static uint32_t transaction_time(struct fo_relationship *relationship,
                                 const struct fo_update *update)
{
    if (!(update->present & FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME)))
        return 0;
    return fo_session_forbids(&relationship->endpoint.session, update->client_last_transaction);
}

/* Whether the partner may hold, or yet accept, something of ours that it has not acknowledged. */
static bool unseen(const struct fo_pool *pool, uint32_t bit)
{
    return fo_bitmap_test(&pool->unacked, bit) || fo_bitmap_test(&pool->rejected, bit);
}

/* time(1) of 7.1.3 asks for the later transaction. But the times are whole seconds of two clocks that
   are not quite equal, and the end of a lease counts up to two more than its own (transaction_now in
   queries.c). Where one server heard a client end its lease, the other gave it one, and neither knew
   of the other's: so near each other neither is later, and the lease that runs wins on both servers,
   for somebody may hold it. */
static void settle_near_transactions(struct fo_judgement *judgement, bool crossing, bool runs)
{
    const uint32_t near = FO_TRANSACTION_GUARD;
    if (!crossing || judgement->own_transaction <= near)
        return;
    if (judgement->own_status == FO_ACTIVE && judgement->received_status == FO_RELEASED)
        judgement->own_transaction += near;
    else if ((judgement->own_status == FO_RELEASED || judgement->own_status == FO_EXPIRED) &&
             judgement->received_status == FO_ACTIVE && runs)
        judgement->own_transaction -= near + 1;
}

static enum fo_reject_reason judge(struct fo_relationship *relationship, struct fo_pool *pool,
                                   const struct fo_binding *binding,
                                   const struct fo_update *update, bool crossing,
                                   const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    struct fo_client client = client_of(update);
    struct fo_judgement judgement = {
        .own_status = fo_table_status(&service->table, pool, update->address),
        .received_status = (enum fo_binding_status)update->status,
        .we_are_secondary = !relationship->config.primary,
        .now = now->seconds,
        .received_has_transaction =
            (update->present & FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME)) != 0,
        .received_transaction = transaction_time(relationship, update),
        .received_reserved = (update->ip_flags & FO_IP_FLAG_RESERVED) != 0,
        .own_reserved = fo_bitmap_test(&pool->reserved, bit_in(pool, update->address)),
    };
    if (fo_binding_missing(update) != NULL)
        return FO_REJECT_MISSING_INFORMATION;
    if (binding != NULL) {
        judgement.own_lease_expiration = binding->times.lease_expiration;
        judgement.own_transaction = binding->cltt;
        judgement.own_start_of_state = binding->start_of_state;
        judgement.own_has_client = fo_table_has_client(binding);
        judgement.same_client = fo_table_same_client(binding, &client);
        settle_near_transactions(
            &judgement, crossing,
            fo_session_forbids(&relationship->endpoint.session, update->lease_expiration) >
                now->seconds);
    }
    return fo_binding_judge(&judgement);
}

/* ACTIVE: of the client that we have, the times merge (nothing is lowered: rule of safety 5);
   of another, a new tenure begins. */
static bool apply_active(struct fo_relationship *relationship, struct fo_pool *pool,
                         struct fo_binding *binding, const struct fo_update *update,
                         const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    const struct fo_session *session = &relationship->endpoint.session;
    struct fo_client client = client_of(update);
    uint32_t end = fo_session_forbids(session, update->lease_expiration);
    uint32_t potential = fo_session_permits(session, update->potential_expiration);
    uint32_t cltt = transaction_time(relationship, update);
    bool merge = binding->status == FO_ACTIVE && fo_table_same_client(binding, &client);
    bool tell = false;

    if (!fo_table_set_client(&service->table, binding, &client))
        return false;
    if (merge) {
        tell = binding->times.lease_expiration > end &&
               !fo_bitmap_test(&pool->unacked, bit_in(pool, update->address));
    } else {
        memset(&binding->times, 0, sizeof binding->times);
        binding->potential = 0;
        binding->cltt = 0;
        binding->generation++;
        binding->flags &= (uint8_t) ~(FO_FLAG_FREEING | FO_FLAG_TO_BACKUP | FO_FLAG_SENT);
        binding->start_of_state =
            (update->present & FO_HAS(FO_OPT_START_TIME_OF_STATE))
                ? fo_session_forbids(session, update->start_of_state)
                : now->seconds;
        fo_table_set_status(&service->table, binding, FO_ACTIVE);
        fo_settle(service, pool, update->address);
    }
    if (end > binding->times.lease_expiration)
        binding->times.lease_expiration = end;
    if (potential > binding->times.received_potential)
        binding->times.received_potential = potential;
    if (cltt > binding->cltt)
        binding->cltt = cltt;
    fo_table_watch_end(&service->table, binding);
    fo_mark_row(service, pool, update->address);
    fo_mark_dirty(service, pool, update->address);
    if (tell)
        fo_touch(service, pool, update->address);
    return true;
}

/* EXPIRED, RELEASED, RESET over a binding of which the partner has not acknowledged what we say. An
   ACTIVE of ours may be on its way to it, and be accepted over what it has just said: so the binding
   is not free before the partner has acknowledged our own EXPIRED or RELEASED (5.2.2). Its client
   cannot have it again, for the partner counts on the end. */
static void apply_crossing_end(struct fo_service *service, struct fo_pool *pool,
                               struct fo_binding *binding, const struct fo_update *update,
                               uint32_t cltt, uint32_t now)
{
    if (cltt > binding->cltt)
        binding->cltt = cltt;
    if (!fo_status_becomes_free((enum fo_binding_status)binding->status))
        fo_end_lease(service, pool, binding, (enum fo_binding_status)update->status, now);
    else if (fo_bitmap_test(&pool->rejected, bit_in(pool, update->address)))
        fo_touch(service, pool, update->address); /* now it will agree */
    binding->flags |= FO_FLAG_SENT;
    fo_mark_dirty(service, pool, update->address);
}

/* EXPIRED, RELEASED, RESET, FREE, BACKUP over a binding: it becomes free once the row is gone. */
static void apply_ended(struct fo_service *service, struct fo_pool *pool,
                        struct fo_binding *binding, const struct fo_update *update, uint32_t cltt,
                        const struct fo_now *now)
{
    enum fo_binding_status through = (enum fo_binding_status)update->status;
    if (!fo_status_becomes_free(through))
        through = FO_EXPIRED; /* FREE or BACKUP: ends here too */
    if (cltt > binding->cltt)
        binding->cltt = cltt;
    binding->generation++;
    binding->start_of_state = now->seconds;
    fo_table_set_status(&service->table, binding, through);
    binding->flags |= FO_FLAG_FREEING;
    binding->flags &= (uint8_t)~FO_FLAG_TO_BACKUP;
    if (update->status == FO_BACKUP)
        binding->flags |= FO_FLAG_TO_BACKUP;
    fo_settle(service, pool, update->address);
    fo_mark_row(service, pool, update->address);
}

/* Over a free address: it changes hands. A lease that began and ended at the partner without our
   knowing leaves it FREE (5.11). An offer of ours on it ends. */
static void apply_owner(struct fo_relationship *relationship, struct fo_pool *pool,
                        const struct fo_update *update)
{
    struct fo_service *service = relationship->service;
    uint32_t bit = bit_in(pool, update->address);
    struct fo_binding *binding = fo_table_find(&service->table, update->address);
    if (fo_bitmap_test(&pool->returning, bit))
        return; /* asked back by us: its answer to that decides */
    fo_table_unhold(&service->table, update->address, 0);
    if (binding != NULL)
        binding->generation++;
    fo_table_set_owner(&service->table, pool, update->address, update->status == FO_BACKUP);
    fo_settle(service, pool, update->address);
}

static bool apply(struct fo_relationship *relationship, struct fo_pool *pool,
                  const struct fo_update *update, bool crossing, const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    enum fo_binding_status own = fo_table_status(&service->table, pool, update->address);
    bool own_free = own == FO_FREE || own == FO_BACKUP;
    bool ended = fo_status_becomes_free((enum fo_binding_status)update->status);
    if (own_free && update->status != FO_ACTIVE && update->status != FO_ABANDONED) {
        if (ended && crossing)
            return true; /* whose it is, our own update says, which it has yet to take */
        apply_owner(relationship, pool, update);
        return true;
    }
    struct fo_binding *binding = fo_table_make(&service->table, update->address);
    if (binding == NULL)
        return false;
    fo_table_unhold(&service->table, update->address, 0);
    if (update->status == FO_ACTIVE)
        return apply_active(relationship, pool, binding, update, now);
    if (update->status == FO_ABANDONED) {
        uint32_t since = (update->present & FO_HAS(FO_OPT_START_TIME_OF_STATE))
                             ? fo_session_forbids(&relationship->endpoint.session,
                                                  update->start_of_state)
                             : now->seconds;
        binding->generation++;
        fo_abandon(service, pool, binding, since, since + service->decline_probation);
        fo_settle(service, pool, update->address);
        fo_mark_row(service, pool, update->address);
        return true;
    }
    uint32_t cltt = transaction_time(relationship, update);
    if (ended && crossing && !(binding->flags & FO_FLAG_FREEING))
        apply_crossing_end(service, pool, binding, update, cltt, now->seconds);
    else
        apply_ended(service, pool, binding, update, cltt, now);
    return true;
}

/* ------------------------------------------------------------------ one BNDUPD */

static void refused(struct fo_relationship *relationship, struct fo_pool *pool,
                    const struct fo_update *update, enum fo_reject_reason reason)
{
    char address[16], text[300];
    struct fo_service *service = relationship->service;
    const char *own =
        pool ? fo_status_name((uint8_t)fo_table_status(&service->table, pool, update->address))
             : "no pool";
    relationship->updates_refused++;
    fo_address_text(update->address, address);
    if (reason == FO_REJECT_IN_USE) {
        struct fo_binding *binding = fo_table_find(&service->table, update->address);
        fo_say(service, FAILOVER_CONFLICT, relationship->config.name, address,
               fo_print(text, sizeof text, "%s", binding ? "is rejected" : "?"), NULL);
    } else if (reason == FO_REJECT_ILLEGAL_ADDRESS) {
        int64_t now = service->env->boot_time(service->env->context);
        if (now - relationship->pools_differ_logged < FO_LOG_LIMIT_MS &&
            relationship->pools_differ_logged != 0)
            return;
        relationship->pools_differ_logged = now;
        fo_say(service, FAILOVER_UPDATE_OUTSIDE_POOLS, relationship->config.name, address, NULL);
    } else {
        fo_say(service, FAILOVER_UPDATE_REFUSED, relationship->config.name, address,
               fo_status_name(update->status), own, fo_reject_name((uint8_t)reason), NULL);
    }
}

/* While the update waited here its end was acknowledged otherwise, and the address leased again, or
   its lease renewed: what was said before that says nothing about this lease. */
static bool leased_since(const struct fo_inbound *inbound, const struct fo_update *update,
                         const struct fo_binding *binding)
{
    return fo_status_becomes_free((enum fo_binding_status)update->status) && binding != NULL &&
           binding->status == FO_ACTIVE &&
           binding->generation != inbound->generations[inbound->done];
}

/* Judges the next binding of a BNDUPD; false where it must wait. */
static bool take_update(struct fo_relationship *relationship, struct fo_inbound *inbound,
                        const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    const struct fo_update *update = &inbound->updates[inbound->done];
    struct fo_verdict *verdict = &inbound->verdicts[inbound->done];
    struct fo_pool *pool = fo_table_pool(&service->table, update->address);
    verdict->address = update->address;
    if (pool == NULL || pool->relationship != relationship->index) {
        verdict->reject = FO_REJECT_ILLEGAL_ADDRESS;
    } else {
        if (fo_table_claimed(&service->table, update->address))
            return false;
        const struct fo_binding *binding = fo_table_find(&service->table, update->address);
        bool crossing = inbound->crossing[inbound->done] ||
                        unseen(pool, bit_in(pool, update->address));
        verdict->reject = leased_since(inbound, update, binding)
                              ? FO_REJECT_OUTDATED
                              : judge(relationship, pool, binding, update, crossing, now);
        if (verdict->reject == FO_REJECT_NONE && !apply(relationship, pool, update, crossing, now)) {
            verdict->reject = FO_REJECT_OTHER;
            fo_say(service, FAILOVER_OUT_OF_MEMORY, "a binding update", NULL);
        }
    }
    if (verdict->reject != FO_REJECT_NONE)
        refused(relationship, pool, update, verdict->reject);
    inbound->done++;
    return true;
}

static bool rows_written(struct fo_service *service, const struct fo_inbound *inbound)
{
    for (size_t i = 0; i < inbound->count; i++) {
        struct fo_pool *pool = fo_table_pool(&service->table, inbound->verdicts[i].address);
        if (inbound->verdicts[i].reject == FO_REJECT_NONE && pool != NULL &&
            fo_bitmap_test(&pool->rows, bit_in(pool, inbound->verdicts[i].address)))
            return false;
    }
    return true;
}

/* True where this BNDUPD is answered. */
static bool advance(struct fo_relationship *relationship, struct fo_inbound *inbound,
                    const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    while (inbound->done < inbound->count)
        if (!take_update(relationship, inbound, now))
            return false;
    if (!inbound->saving) {
        if (!rows_written(service, inbound))
            return false;
        inbound->saving = true;
        inbound->epoch = fo_epoch_of_changes(service);
    }
    return inbound->epoch <= service->epoch_durable || FO_FAULTY(service, FO_FAULT_EARLY_ACK);
}

static void free_inbound(struct fo_service *service, struct fo_inbound *inbound)
{
    service->env->release(service->env->context, inbound->updates);
    service->env->release(service->env->context, inbound->bytes);
    service->env->release(service->env->context, inbound);
}

void fo_inbound_advance(struct fo_relationship *relationship, const struct fo_now *now)
{
    /* Those behind the first are judged as well, so that one commit covers them all. */
    for (struct fo_inbound *each = relationship->inbound; each != NULL; each = each->next)
        if (!advance(relationship, each, now) && each->done < each->count)
            break;
    while (relationship->inbound != NULL) {
        struct fo_inbound *first = relationship->inbound;
        if (first->done < first->count || !advance(relationship, first, now))
            break;
        relationship->inbound = first->next;
        if (relationship->inbound == NULL)
            relationship->inbound_tail = &relationship->inbound;
        fo_endpoint_acknowledge(&relationship->endpoint, first->xid, first->verdicts, first->count,
                                now);
        free_inbound(relationship->service, first);
    }
}

void fo_inbound_drop(struct fo_relationship *relationship)
{
    while (relationship->inbound != NULL) {
        struct fo_inbound *first = relationship->inbound;
        relationship->inbound = first->next;
        free_inbound(relationship->service, first);
    }
    relationship->inbound_tail = &relationship->inbound;
}

/* ------------------------------------------------------------------ keeping a BNDUPD */

static size_t string_bytes(const struct fo_update *update)
{
    return (size_t)update->client_identifier.length + update->hardware_address.length;
}

static void keep_string(struct fo_bytes *string, uint8_t **space)
{
    if (string->length == 0)
        return;
    memcpy(*space, string->data, string->length);
    string->data = *space;
    *space += string->length;
}

static struct fo_inbound *keep(struct fo_service *service, const struct fo_message *message)
{
    const struct fo_env *env = service->env;
    size_t size = 1;
    for (size_t i = 0; i < message->update_count; i++)
        size += string_bytes(&message->updates[i]);
    struct fo_inbound *inbound = env->allocate(env->context, sizeof *inbound);
    if (inbound == NULL)
        return NULL;
    inbound->bytes = env->allocate(env->context, size);
    inbound->updates =
        env->allocate(env->context, message->update_count * sizeof *inbound->updates);
    if (inbound->bytes == NULL || inbound->updates == NULL) {
        free_inbound(service, inbound);
        return NULL;
    }
    uint8_t *space = inbound->bytes;
    inbound->xid = message->xid;
    inbound->count = message->update_count;
    for (size_t i = 0; i < message->update_count; i++) {
        struct fo_update *update = &inbound->updates[i];
        *update = message->updates[i];
        keep_string(&update->client_identifier, &space);
        keep_string(&update->hardware_address, &space);
        /* Strings of no interest here must not point into a frame that is gone. */
        update->request_options = update->reply_options = (struct fo_bytes){0};
        update->ddns_name = update->message = (struct fo_bytes){0};
    }
    return inbound;
}

void fo_update_received(void *context, const struct fo_message *message)
{
    struct fo_relationship *relationship = context;
    struct fo_service *service = relationship->service;
    struct fo_now now = fo_service_now(service);
    struct fo_inbound *inbound = keep(service, message);
    if (inbound == NULL) {
        fo_say(service, FAILOVER_OUT_OF_MEMORY, "a BNDUPD", NULL);
        fo_session_close(&relationship->endpoint.session, FO_REJECT_OTHER, "out of memory", &now);
        return;
    }
    /* Now, for a BNDACK that comes while this waits tells of what the partner took after it said it. */
    for (size_t i = 0; i < inbound->count; i++) {
        struct fo_pool *pool = fo_table_pool(&service->table, inbound->updates[i].address);
        const struct fo_binding *binding =
            fo_table_find(&service->table, inbound->updates[i].address);
        inbound->crossing[i] =
            pool != NULL && unseen(pool, bit_in(pool, inbound->updates[i].address));
        inbound->generations[i] = binding != NULL ? binding->generation : 0;
    }
    *relationship->inbound_tail = inbound;
    relationship->inbound_tail = &inbound->next;
    fo_inbound_advance(relationship, &now);
}
