/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What a callout asks on the way in (draft 5.2.2, 9.8.2, the service table of section 9): is this
 * query ours to answer, may its address be claimed, and which other leases of its client end with that.
 * Which address a DISCOVER gets is in choosing.c; for how long, and what came of it, in grants.c.
 *
 * Silence or NAK: silence only for an address of our pools that the table shows free and not ours,
 * while the partner may have leased it. Elsewhere Kea decides, and its NAK stands.
 */
#include <string.h>

#include "hook/service_internal.h"
#include "protocol/hash_bucket.h"
#include "protocol/state.h"

enum { DHCPDISCOVER = 1, DHCPREQUEST = 3, DHCPDECLINE = 4, DHCPRELEASE = 7, DHCPINFORM = 8 };

/* ------------------------------------------------------------------ what kind of query */

/* RFC 2131 4.3.2, table 4. RENEW and REBIND differ on the wire only in their destination, and the
   draft treats them alike. */
static enum fo_query_kind kind_of(const struct fo_query *query)
{
    if (query->bootp)
        return FO_QUERY_DISCOVER; /* as to who answers it */
    switch (query->message_type) {
    case DHCPDISCOVER:
        return FO_QUERY_DISCOVER;
    case DHCPREQUEST:
        return query->names_server ? FO_QUERY_SELECTING
               : query->ciaddr     ? FO_QUERY_RENEW
                                   : FO_QUERY_INIT_REBOOT;
    case DHCPDECLINE:
        return FO_QUERY_DECLINE;
    case DHCPRELEASE:
        return FO_QUERY_RELEASE;
    default:
        return FO_QUERY_INFORM;
    }
}

static uint32_t address_of(const struct fo_query *query)
{
    if (query->message_type == DHCPRELEASE)
        return query->ciaddr;
    return query->asks_address ? query->asked_address : query->ciaddr;
}

static uint8_t bucket_of(const struct fo_client *client, bool of_hardware)
{
    return client->identifier_length && !of_hardware
               ? fo_hash_bucket(client->identifier, client->identifier_length)
               : fo_hash_bucket(client->hardware, client->hardware_length);
}

/* 9.8.2 hashes the identifier where there is one; `hash-input` may say otherwise. Mostly it is known. */
static bool hashes_hardware(const struct fo_relationship *relationship, const struct fo_client *client)
{
    return relationship->config.hash_hardware && client->identifier_length && client->hardware_length;
}

static void find_bucket(const struct fo_relationship *relationship, const struct fo_query *query,
                        struct fo_decision *decision)
{
    const bool of_hardware = hashes_hardware(relationship, &query->client);
    if (of_hardware != decision->of_hardware)
        decision->bucket = bucket_of(&query->client, of_hardware);
    decision->of_hardware = of_hardware;
}

bool fo_client_is_secondarys(const struct fo_relationship *relationship,
                             const struct fo_client *client)
{
    return fo_hash_buckets_contain(relationship->endpoint.record.secondary_buckets,
                                   bucket_of(client, hashes_hardware(relationship, client)));
}

/* Some clients send `secs` with its bytes exchanged: then the low byte is 0 and the high is not. */
static uint32_t seconds_waited(const struct fo_query *query)
{
    return query->secs > 255 && (query->secs & 0xff) == 0 ? query->secs >> 8 : query->secs;
}

static bool our_bucket(const struct fo_relationship *relationship, uint8_t bucket)
{
    bool secondarys =
        fo_hash_buckets_contain(relationship->endpoint.record.secondary_buckets, bucket);
    return secondarys != relationship->config.primary;
}

/* 9.8.2: the query names us, is of a client of ours, or of one that the other server does not answer. */
static bool balanced(const struct fo_relationship *relationship, const struct fo_query *query,
                     const struct fo_decision *decision)
{
    return query->names_server || our_bucket(relationship, decision->bucket) ||
           seconds_waited(query) > relationship->config.max_seconds;
}

bool fo_partner_answers(const struct fo_relationship *relationship, const struct fo_query *query)
{
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    return endpoint->communicating && endpoint->record.state == FO_STATE_NORMAL &&
           endpoint->record.partner_state == FO_STATE_NORMAL &&
           seconds_waited(query) > relationship->config.max_seconds;
}

/* NULL: ours to answer; else why not. */
static const char *not_ours(struct fo_relationship *relationship, const struct fo_query *query,
                            struct fo_decision *decision)
{
    enum fo_query_kind kind = kind_of(query);
    enum fo_state state = fo_serving_state(relationship);
    const char *way_out;
    find_bucket(relationship, query, decision);
    if (!fo_promises_count(relationship->service))
        return fo_refusing(relationship, &way_out);
    if (relationship->alone && !fo_alone_serves(relationship, kind))
        return fo_refusing(relationship, &way_out);
    switch (fo_state_service(state, kind)) {
    case FO_SERVE_ALL:
        return state == FO_STATE_NORMAL && kind == FO_QUERY_RENEW &&
                       relationship->config.owner_renews && !balanced(relationship, query, decision)
                   ? "normal-renewals is owner-only"
                   : NULL;
    case FO_SERVE_BALANCED:
        if (balanced(relationship, query, decision))
            return NULL;
        return relationship->config.hot_standby ? "hot standby" : "load balancing";
    case FO_SERVE_NONE:
        break;
    }
    const char *why = fo_refusing(relationship, &way_out);
    return why ? why : "this state does not answer such queries";
}

/* Where an answer is decided: what waited in the socket of a frozen process is not answered. */
static const char *late_or_not_ours(struct fo_relationship *relationship, const struct fo_query *query,
                                    struct fo_decision *decision, const struct fo_now *now)
{
    if (fo_watchdog_late(relationship->service, now))
        return "this process got no time for a while; the query may be old";
    return not_ours(relationship, query, decision);
}

/* ------------------------------------------------------------------ refusing */

void fo_refuse(struct fo_relationship *relationship, struct fo_decision *decision, const char *why)
{
    decision->answer = FO_DROP;
    decision->refusal = (struct fo_refusal){
        .relationship = relationship ? relationship->config.name : "failover",
        .owner = relationship == NULL                           ? "any server"
                 : our_bucket(relationship, decision->bucket) ? relationship->config.self.name
                                                              : relationship->config.partner.name,
        .reason = why,
    };
    if (relationship != NULL)
        relationship->queries_dropped++;
}

/* ------------------------------------------------------------------ REQUEST */

/* Ended once, and held because of what was forgotten since (rule of safety 7). */
static bool is_doubtful(struct fo_service *service, uint32_t address)
{
    const struct fo_binding *binding = fo_table_find(&service->table, address);
    return binding != NULL && (binding->flags & FO_FLAG_DOUBTFUL) != 0;
}

static void claim(struct fo_relationship *relationship, const struct fo_query *query,
                  uint32_t address, struct fo_decision *decision, const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    struct fo_pool *pool = fo_table_pool(&service->table, address);
    const bool asks = query->bootp || query->message_type == DHCPREQUEST;
    if (pool == NULL || pool->relationship != relationship->index || (asks && pool->retired))
        return; /* not an address of our pools: Kea decides, a reservation outside included */
    if (!fo_claimable(service, relationship, pool, address, query, now)) {
        enum fo_binding_status status = fo_table_status(&service->table, pool, address);
        bool free = status == FO_FREE || status == FO_BACKUP;
        bool ours = fo_table_ours(&service->table, pool, address);
        if (fo_table_claimed(&service->table, address))
            fo_refuse(relationship, decision, "the binding is being changed");
        else if (status == FO_ABANDONED && !is_doubtful(service, address))
            return; /* somebody else uses it: Kea's declined row sends the client away */
        else if (free && ours && !fo_table_stored(pool, address))
            fo_refuse(relationship, decision, "the address is not ready for use yet");
        else if (free && query->names_server &&
                 (!ours || fo_table_hold(&service->table, address) != NULL))
            decision->nak = true; /* offered by us and lost since: it is to ask anew, at once */
        else if (free && !ours)
            fo_refuse(relationship, decision, "the address is the partner's to lease");
        else if (free && fo_table_hold(&service->table, address) == NULL)
            fo_refuse(relationship, decision, "the address is not ready for use yet");
        else if (status == FO_ACTIVE && fo_unstored(pool, address))
            fo_refuse(relationship, decision, fo_not_stored);
        else if (is_doubtful(service, address))
            fo_refuse(relationship, decision, "the partner must agree to this lease first");
        else if (status == FO_ACTIVE || free)
            return; /* somebody else's: Kea's NAK stands, nothing is claimed */
        else
            fo_refuse(relationship, decision, "the address is between two leases");
        return;
    }
    if (FO_FAULTY(NO_CLAIM)) {
        decision->claim = (struct fo_claim){.address = address, .serial = UINT32_MAX};
        decision->address = address;
        return;
    }
    const struct fo_hold *offer = fo_table_hold(&service->table, address);
    decision->rowless = offer != NULL && offer->rowless;
    uint32_t serial = fo_table_claim(&service->table, address);
    if (serial == 0) {
        fo_refuse(relationship, decision, "out of memory");
        return;
    }
    decision->claim = (struct fo_claim){.address = address, .serial = serial};
    decision->address = address;
    decision->doubtful = !fo_row_follows(pool, bit_in(pool, address));
}

/* See bootp.c. */
static void claim_for_bootp(struct fo_relationship *relationship, const struct fo_query *query,
                            struct fo_decision *decision, const struct fo_now *now)
{
    const struct fo_pool *pool =
        fo_table_served(&relationship->service->table, query->reserved_address);
    if (query->reserved_address == 0) {
        fo_refuse_bootp(relationship, query, decision);
        return;
    }
    claim(relationship, query, query->reserved_address, decision, now);
    if (decision->claim.address == 0 && decision->answer == FO_PASS && pool != NULL &&
        pool->relationship == relationship->index)
        fo_refuse(relationship, decision, "somebody else has the address"); /* BOOTP knows no NAK */
}

/* May Kea have a row of the client's at this address, and see it where the client asks for one of
   `here`? Of an address that is in no pool any more it is not known in which network it was. */
static bool may_mislead(struct fo_service *service, const struct fo_pool *here,
                        const struct fo_binding *binding)
{
    const struct fo_pool *pool = fo_table_served(&service->table, binding->address);
    const bool active = binding->status == FO_ACTIVE;
    if (pool == NULL)
        return active && fo_table_kept(&service->table, binding->address) != NULL;
    return pool->relationship == here->relationship &&
           pool->range.network == here->range.network &&
           (active || fo_bitmap_test(&pool->rows, bit_in(pool, binding->address)));
}

/* The client's record after that of address `after` which is not the claimed one, in its network,
   and may have a row of Kea's. */
static struct fo_binding *other_of_client(struct fo_service *service, const struct fo_query *query,
                                          uint32_t claimed, uint32_t after)
{
    const struct fo_pool *here = fo_table_served(&service->table, claimed);
    struct fo_binding *binding = after ? fo_table_find(&service->table, after) : NULL;
    if (here == NULL)
        return NULL; /* a configuration has taken the pool away while the query was kept */
    while ((binding = fo_table_next_of_client(&service->table, &query->client, binding)) != NULL)
        if (binding->address != claimed && may_mislead(service, here, binding))
            return binding;
    return NULL;
}

/* The client has moved. Where its lease may be one of another network, its row alone goes: that pool
   is not Kea's any more, and should it come back, so does the row. */
static void end_left(struct fo_service *service, uint32_t claimed, struct fo_binding *binding)
{
    struct fo_pool *pool = fo_table_kept(&service->table, binding->address);
    const uint32_t now = fo_service_now(service).seconds;
    if (binding->status != FO_ACTIVE ||
        (fo_table_served(&service->table, binding->address) == NULL &&
         pool->range.subnet_id != fo_table_pool(&service->table, claimed)->range.subnet_id))
        return;
    binding->cltt = fo_transaction_now(binding, now);
    fo_end_lease(service, pool, binding, FO_RELEASED, now);
}

static const char old_query[] = "Kea did not read its sockets for some seconds; the query may be old";

/* The client has had this lease from the partner, maybe after it sent what came so long ago. */
static bool may_be_later(struct fo_service *service, const struct fo_binding *binding, uint32_t age,
                         const struct fo_now *now)
{
    const struct fo_pool *pool = fo_table_pool(&service->table, binding->address);
    return pool != NULL && fo_bitmap_test(&pool->told, bit_in(pool, binding->address)) &&
           binding->cltt + FO_TRANSACTION_GUARD >= now->seconds - age / 1000;
}

/* Could the REQUEST be of before its client got the other lease? Not where it has the present one since then, or
   answers an offer that is not leased yet. */
static bool may_be_before(struct fo_service *service, const struct fo_query *query, uint32_t address,
                          const struct fo_binding *other, const struct fo_now *now)
{
    const struct fo_binding *asked = fo_table_find(&service->table, address);
    const bool has = asked != NULL && asked->status == FO_ACTIVE && fo_table_same_client(asked, &query->client);
    return may_be_later(service, other, FO_AGE_MOST, now) &&
           (has ? asked->cltt < other->cltt : !query->names_server);
}

/* A REQUEST that waited while Kea did not read its sockets, or for a thread, or that was long under way, may be
   of before its client took another address, of the partner by now: it is not to end that lease. The client
   asks again, if it means it. NULL, or why. */
static const char *outlived(struct fo_service *service, const struct fo_query *query, uint32_t address,
                            const struct fo_now *now)
{
    const struct fo_binding *other = NULL;
    while ((other = other_of_client(service, query, address, other ? other->address : 0)) != NULL)
        if (other->status == FO_ACTIVE && fo_watchdog_stale(service, now))
            return old_query;
        else if (other->status == FO_ACTIVE && may_be_before(service, query, address, other, now))
            return "the client may have got another address from the partner since it asked";
    return NULL;
}

/* Of a REQUEST that has its claim. A lease of a second would take the client's own from it. */
static const char *not_to_be_granted(struct fo_relationship *relationship, const struct fo_query *query,
                                     uint32_t address, const struct fo_now *now)
{
    if (fo_promises_nothing(relationship, address, query, now->seconds))
        return "the partner may be the only one in service, and does not know of the lease";
    return outlived(relationship->service, query, address, now);
}

/* ------------------------------------------------------------------ the face */

void fo_query_begins(const struct fo_query *query, struct fo_decision *decision)
{
    memset(decision, 0, sizeof *decision);
    decision->bucket = bucket_of(&query->client, false);
}

/* Is the service at work at all? */
static bool at_work(struct fo_service *service, struct fo_decision *decision)
{
    const bool works = service->configured && !service->stopping;
    service->queried = true;
    if (!works)
        fo_refuse(NULL, decision,
                  service->stopping ? "the server stops" : "the service is not configured");
    return works;
}

/* The second of a RELEASE or DECLINE: when it came, as far as that is known, and not before the lease. */
static uint32_t second_of(const struct fo_query *query, const struct fo_binding *binding, uint32_t now)
{
    const uint32_t came = now - query->age_ms / 1000, lease = binding->cltt < now ? binding->cltt : now;
    return came > lease ? came : lease;
}

static void give_back(struct fo_relationship *relationship, const struct fo_query *query, uint32_t address,
                      struct fo_decision *decision)
{
    struct fo_service *service = relationship->service;
    const struct fo_now now = fo_service_now(service);
    const struct fo_binding *binding = fo_table_find(&service->table, address);
    const char *why = late_or_not_ours(relationship, query, decision, &now);
    if (why == NULL && fo_watchdog_stale(service, &now))
        why = old_query;
    if (why == NULL && (binding == NULL || binding->status != FO_ACTIVE ||
                        !fo_table_same_client(binding, &query->client)))
        why = "the client has no lease on this address";
    if (why == NULL && may_be_later(service, binding, query->age_ms, &now) && !FO_FAULTY(RELEASE_PAST))
        why = "the client may have got the lease from the partner since it came";
    decision->governed = true;
    if (why != NULL) {
        fo_refuse(relationship, decision, why);
        return;
    }
    claim(relationship, query, address, decision, &now);
    decision->bounded_at = second_of(query, binding, now.seconds);
}

/* Could any relationship answer it, whichever subnet it is of? */
static void any_subnet(struct fo_service *service, const struct fo_query *query,
                       struct fo_decision *decision)
{
    const char *why = "the service is not configured";
    struct fo_relationship *only = NULL;
    for (size_t i = 0; i < service->relationship_count; i++) {
        only = service->relationships[i];
        if ((why = not_ours(only, query, decision)) == NULL)
            return;
    }
    fo_refuse(only, decision, why);
}

void fo_query_received(struct fo_service *service, const struct fo_query *query,
                       struct fo_decision *decision)
{
    fo_query_begins(query, decision);
    service->env->lock(service->env->context);
    if (!at_work(service, decision)) {
        /* dropped */
    } else if (query->message_type == DHCPRELEASE || query->message_type == DHCPDECLINE) {
        const uint32_t address = address_of(query);
        struct fo_relationship *relationship =
            fo_relationship_of_pool(service, fo_table_pool(&service->table, address));
        if (relationship != NULL)
            give_back(relationship, query, address, decision);
    } else if (!service->ungoverned) {
        any_subnet(service, query, decision);
    }
    service->env->unlock(service->env->context);
}

void fo_subnet_selected(struct fo_service *service, uint32_t subnet_id,
                        const struct fo_query *query, fo_pool_allowed *pool_allowed, void *argument,
                        struct fo_decision *decision)
{
    service->env->lock(service->env->context);
    const struct fo_subnet_entry *subnet = fo_find_subnet(service, subnet_id);
    struct fo_relationship *relationship =
        subnet && subnet->relationship >= 0 ? service->relationships[subnet->relationship] : NULL;
    if (at_work(service, decision) && relationship != NULL) {
        const struct fo_now now = fo_service_now(service);
        const char *why = late_or_not_ours(relationship, query, decision, &now);
        const struct fo_choice choice = {relationship, query,    subnet->network,
                                         pool_allowed, argument, &now};
        decision->governed = true;
        /* Here, and not by the loop alone: an offer does not wake that. */
        fo_table_expire_offers(&service->table, now.ms);
        if (why != NULL)
            fo_refuse(relationship, decision, why);
        else if (query->bootp)
            claim_for_bootp(relationship, query, decision, &now);
        else if (query->message_type == DHCPDISCOVER)
            fo_choose_address(&choice, decision);
        else if (query->message_type == DHCPREQUEST)
            claim(relationship, query, address_of(query), decision, &now);
        if (decision->claim.address != 0 && query->message_type == DHCPREQUEST &&
            (why = not_to_be_granted(relationship, query, decision->claim.address, &now)) != NULL)
            fo_refuse(relationship, decision, why);
    }
    service->env->unlock(service->env->context);
}

bool fo_moved_from(struct fo_service *service, const struct fo_query *query,
                   struct fo_decision *decision, uint32_t after, struct fo_claim *left)
{
    struct fo_binding *binding = NULL;
    uint32_t claimed = decision->claim.address;
    *left = (struct fo_claim){0};
    if (claimed == 0 || query->message_type != DHCPREQUEST)
        return false;
    service->env->lock(service->env->context);
    while ((binding = other_of_client(service, query, claimed, after)) != NULL) {
        after = binding->address;
        uint32_t serial = fo_table_claim(&service->table, after);
        if (serial != 0) {
            *left = (struct fo_claim){.address = after, .serial = serial};
            break;
        }
        decision->doubtful = true;
    }
    if (binding != NULL)
        end_left(service, claimed, binding);
    service->env->unlock(service->env->context);
    return binding != NULL;
}

bool fo_has_moved(struct fo_service *service, const struct fo_query *query,
                  const struct fo_decision *decision)
{
    service->env->lock(service->env->context);
    const bool moved = decision->claim.address != 0 &&
                       other_of_client(service, query, decision->claim.address, 0) != NULL;
    service->env->unlock(service->env->context);
    return moved;
}

/* A lease that goes on is its client's, whoever the reservation's. */
static bool is_reserved_and_free(struct fo_service *service, uint32_t address)
{
    struct fo_pool *pool = fo_table_served(&service->table, address);
    if (pool == NULL || !fo_bitmap_test(&pool->reserved, bit_in(pool, address)))
        return false;
    const enum fo_binding_status status = fo_table_status(&service->table, pool, address);
    return status == FO_FREE || status == FO_BACKUP;
}

bool fo_reservations_matter(struct fo_service *service, uint32_t subnet_id, const struct fo_query *query)
{
    if (!service->reservations)
        return false; /* changed with no packet in work */
    service->env->lock(service->env->context);
    const struct fo_subnet_entry *subnet = fo_find_subnet(service, subnet_id);
    bool matter = subnet != NULL && subnet->relationship >= 0;
    if (matter && !query->bootp && query->message_type != DHCPDISCOVER)
        matter = query->message_type == DHCPREQUEST &&
                 is_reserved_and_free(service, address_of(query));
    service->env->unlock(service->env->context);
    return matter;
}
