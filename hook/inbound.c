/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Updates from the partner (draft 7.1.2 to 7.1.4): judged (judgement.c), written to the table of
 * bindings (applying.c), then to Kea's rows (rows.c), then to stable storage; only then BNDACK.
 *
 * BNDUPDs are answered in the order they came. A binding that a query has in its hands is not
 * waited for: the rest stays in the queue until the claim is gone (rule of safety 1). BNDACKs that
 * the partner sent after a BNDUPD stay with it, and count only when that has been judged.
 */
#include <string.h>

#include "hook/service_internal.h"
#include "protocol/binding.h"

/* ------------------------------------------------------------------ one BNDUPD */

/* 9.10: both servers tell the operator who holds the address. */
static void tell_conflict(struct fo_relationship *relationship, const struct fo_binding *binding,
                          const struct fo_update *update)
{
    const struct fo_client own = fo_table_client(binding), theirs = fo_update_client(update);
    char address[16], here[64], there[64];
    fo_say(relationship->service, FAILOVER_CONFLICT, relationship->config.name,
           fo_address_text(update->address, address), fo_hardware_text(&own, here),
           relationship->config.partner.name, fo_hardware_text(&theirs, there), NULL);
}

static void refused(struct fo_relationship *relationship, struct fo_pool *pool,
                    const struct fo_update *update, enum fo_reject_reason reason)
{
    char address[16];
    struct fo_service *service = relationship->service;
    const char *own =
        pool ? fo_status_name((uint8_t)fo_table_status(&service->table, pool, update->address))
             : "no pool";
    relationship->updates_refused++;
    if ((update->status == FO_FREE || update->status == FO_BACKUP) && pool != NULL &&
        reason == FO_REJECT_OUTDATED)
        return; /* leased here while the partner asked it back: nothing that anybody must know */
    fo_address_text(update->address, address);
    if (reason == FO_REJECT_ILLEGAL_ADDRESS) {
        fo_note_outside_pools(relationship, FAILOVER_UPDATE_OUTSIDE_POOLS, update->address,
                              &relationship->outside_ours_logged);
    } else if (reason != FO_REJECT_IN_USE) { /* tell_conflict has said it */
        fo_say(service,
               fo_reject_is_ordinary((uint8_t)reason) ? FAILOVER_UPDATE_SURPASSED
                                                      : FAILOVER_UPDATE_REFUSED,
               relationship->config.name, address, fo_status_name(update->status), own,
               fo_reject_name((uint8_t)reason), NULL);
    }
}

/* The partner has leased an address that a client of ours had declined: it must not be free before
   that lease is over. */
static void abandon_longer(struct fo_relationship *relationship, struct fo_pool *pool,
                           const struct fo_update *update)
{
    struct fo_service *service = relationship->service;
    struct fo_binding *binding = fo_table_find(&service->table, update->address);
    const uint32_t end =
        fo_session_forbids(&relationship->endpoint.session, update->lease_expiration);
    if (binding == NULL || end <= binding->times.lease_expiration)
        return;
    binding->times.lease_expiration = end;
    fo_mark_row(service, pool, update->address);
    fo_mark_dirty(service, pool, update->address);
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
        if (pool == NULL && !FO_FAULTY(FOREIGN_FORGOTTEN) && !fo_note_foreign(relationship, update))
            return false; /* it is not answered before there is memory */
    } else {
        struct fo_binding *binding = fo_table_find(&service->table, update->address);
        if ((fo_table_claimed(&service->table, update->address) && !FO_FAULTY(CLAIMED_JUDGED)) ||
            fo_names_wait(service, pool, binding))
            return false;
        bool crossing = inbound->crossing[inbound->done] ||
                        fo_partner_unaware(pool, bit_in(pool, update->address));
        verdict->reject = fo_judge_update(relationship, pool, binding, update, crossing, now);
        if (verdict->reject == FO_REJECT_NONE &&
            fo_names_come_first(service, pool, binding, update))
            return false;
        if (fo_conflicts(relationship, binding, update, verdict->reject, now))
            tell_conflict(relationship, binding, update);
        if (verdict->reject == FO_REJECT_NONE && !fo_apply_update(relationship, pool, update, crossing, now)) {
            verdict->reject = FO_REJECT_OTHER;
            fo_say(service, FAILOVER_OUT_OF_MEMORY, "a binding update", NULL);
        }
    }
    if (verdict->reject == FO_REJECT_LESS_CRITICAL && update->status == FO_ACTIVE)
        abandon_longer(relationship, pool, update);
    if (verdict->reject != FO_REJECT_NONE)
        refused(relationship, pool, update, verdict->reject);
    else
        fo_bitmap_set(&pool->answering, bit_in(pool, update->address));
    inbound->done++;
    return true;
}

/* As it is in the table, whatever else has changed since. */
static bool is_stored(struct fo_service *service, const struct fo_inbound *inbound)
{
    for (size_t i = 0; i < inbound->count; i++) {
        const struct fo_pool *pool = fo_table_pool(&service->table, inbound->verdicts[i].address);
        if (pool == NULL || !fo_table_stored(pool, inbound->verdicts[i].address))
            return false;
    }
    return true;
}

static bool rows_written(struct fo_service *service, const struct fo_inbound *inbound)
{
    for (size_t i = 0; i < inbound->count; i++) {
        struct fo_pool *pool = fo_table_pool(&service->table, inbound->verdicts[i].address);
        if (inbound->verdicts[i].reject == FO_REJECT_NONE && pool != NULL && pool->relationship >= 0 &&
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
        /* The commit does not wait for rows: most are stored by now. */
        inbound->saving = true;
        inbound->epoch = is_stored(service, inbound) ? 0 : fo_epoch_of_changes(service);
    }
    return inbound->epoch <= service->epoch_durable || FO_FAULTY(ACK_EARLY);
}

/* ------------------------------------------------------------------ acknowledgements in their turn */

static void take_deferred(struct fo_relationship *relationship, struct fo_inbound *inbound)
{
    const struct fo_env *env = relationship->service->env;
    while (inbound->acks != NULL) {
        struct fo_deferred *deferred = inbound->acks;
        inbound->acks = deferred->next;
        fo_take_acknowledgement(relationship, &deferred->ack);
        env->release(env->context, deferred);
    }
    inbound->acks_tail = &inbound->acks;
}

bool fo_inbound_defer(struct fo_relationship *relationship, const struct fo_acknowledgement *ack)
{
    struct fo_service *service = relationship->service;
    struct fo_inbound *last = relationship->inbound_last;
    /* Judged in their order: so are all before it. */
    if (last == NULL || last->done == last->count || FO_FAULTY(ACK_UNDEFERRED))
        return false;
    struct fo_deferred *deferred = service->env->allocate(service->env->context, sizeof *deferred);
    if (deferred == NULL) {
        struct fo_now now = fo_service_now(service);
        fo_say(service, FAILOVER_OUT_OF_MEMORY, "a BNDACK", NULL);
        fo_session_close(&relationship->endpoint.session, FO_REJECT_OTHER, "out of memory", &now);
        return true;
    }
    deferred->ack = *ack;
    if (deferred->ack.text.length > sizeof deferred->text)
        deferred->ack.text.length = sizeof deferred->text;
    if (deferred->ack.text.length > 0)
        memcpy(deferred->text, ack->text.data, deferred->ack.text.length);
    deferred->ack.text.data = deferred->text;
    *last->acks_tail = deferred;
    last->acks_tail = &deferred->next;
    return true;
}

/* ------------------------------------------------------------------ the queue */

static void free_inbound(struct fo_service *service, struct fo_inbound *inbound)
{
    while (inbound->acks != NULL) {
        struct fo_deferred *deferred = inbound->acks;
        inbound->acks = deferred->next;
        service->env->release(service->env->context, deferred);
    }
    service->env->release(service->env->context, inbound->updates);
    service->env->release(service->env->context, inbound->bytes);
    service->env->release(service->env->context, inbound);
}

static void answered(struct fo_service *service, const struct fo_inbound *inbound)
{
    for (size_t i = 0; i < inbound->count; i++) {
        struct fo_pool *pool = fo_table_pool(&service->table, inbound->verdicts[i].address);
        if (pool != NULL)
            fo_bitmap_clear(&pool->answering, bit_in(pool, inbound->verdicts[i].address));
    }
}

bool fo_inbound_advance(struct fo_relationship *relationship, const struct fo_now *now)
{
    size_t judged = 0;
    if (fo_ends_wait(relationship))
        return false;
    /* Those behind the first are judged as well, so that one commit covers them all. */
    for (struct fo_inbound *each = relationship->inbound; each != NULL && judged < FO_JUDGE_MAX; each = each->next) {
        const size_t before = each->done;
        if (!advance(relationship, each, now) && each->done < each->count)
            break;
        judged += each->done - before;
        take_deferred(relationship, each);
    }
    for (int answers = 0; relationship->inbound != NULL; answers++) {
        struct fo_inbound *first = relationship->inbound;
        if (first->done < first->count || !advance(relationship, first, now))
            break;
        if (answers == FO_ANSWER_MAX)
            return true;
        relationship->inbound = first->next;
        if (relationship->inbound == NULL)
            relationship->inbound_last = NULL;
        fo_endpoint_acknowledge(&relationship->endpoint, first->xid, first->verdicts, first->count,
                                now);
        answered(relationship->service, first);
        free_inbound(relationship->service, first);
    }
    return judged >= FO_JUDGE_MAX;
}

/* What has been judged and is not answered yet. */
static void mark_answering(struct fo_relationship *relationship, const struct fo_inbound *inbound)
{
    for (size_t i = 0; i < inbound->done; i++) {
        const struct fo_verdict *verdict = &inbound->verdicts[i];
        struct fo_pool *pool = fo_table_pool(&relationship->service->table, verdict->address);
        if (pool != NULL && pool->relationship == relationship->index &&
            verdict->reject == FO_REJECT_NONE)
            fo_bitmap_set(&pool->answering, bit_in(pool, verdict->address));
    }
}

void fo_inbound_carry_on(struct fo_relationship *relationship,
                         bool (*known)(void *relationship, uint32_t address))
{
    const struct fo_env *env = relationship->service->env;
    for (struct fo_inbound *each = relationship->inbound; each != NULL; each = each->next) {
        struct fo_deferred **link = &each->acks;
        mark_answering(relationship, each);
        while (*link != NULL) {
            struct fo_deferred *deferred = *link;
            if (known(relationship, deferred->ack.address)) {
                link = &deferred->next;
                continue;
            }
            *link = deferred->next;
            env->release(env->context, deferred);
        }
        each->acks_tail = link;
    }
}

bool fo_inbound_waits_for(const struct fo_relationship *relationship, uint32_t address)
{
    const struct fo_inbound *each = relationship->inbound;
    while (each != NULL && each->done == each->count)
        each = each->next;
    return each != NULL && each->updates[each->done].address == address;
}

void fo_inbound_drop(struct fo_relationship *relationship)
{
    while (relationship->inbound != NULL) {
        struct fo_inbound *first = relationship->inbound;
        relationship->inbound = first->next;
        free_inbound(relationship->service, first);
    }
    relationship->inbound_last = NULL;
}

/* ------------------------------------------------------------------ keeping a BNDUPD */

static size_t string_bytes(const struct fo_update *update)
{
    return (size_t)update->client_identifier.length + update->hardware_address.length +
           update->request_options.length + update->reply_options.length +
           update->ddns_name.length;
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
    inbound->acks_tail = &inbound->acks;
    inbound->xid = message->xid;
    inbound->count = message->update_count;
    for (size_t i = 0; i < message->update_count; i++) {
        struct fo_update *update = &inbound->updates[i];
        *update = message->updates[i];
        keep_string(&update->client_identifier, &space);
        keep_string(&update->hardware_address, &space);
        keep_string(&update->request_options, &space);
        keep_string(&update->reply_options, &space);
        keep_string(&update->ddns_name, &space);
        update->message = (struct fo_bytes){0}; /* a BNDACK's */
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
        inbound->crossing[i] =
            pool != NULL && fo_partner_unaware(pool, bit_in(pool, inbound->updates[i].address));
    }
    if (FO_FAULTY(REPLAYED) && relationship->inbound != NULL) {
        inbound->next = relationship->inbound;
        relationship->inbound = inbound;
    } else {
        *(relationship->inbound_last ? &relationship->inbound_last->next : &relationship->inbound) = inbound;
        relationship->inbound_last = inbound;
    }
    if (fo_inbound_advance(relationship, &now))
        service->env->wake(service->env->context);
}
