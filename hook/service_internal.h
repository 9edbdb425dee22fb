/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What each of the files of hook/ that make up the service offers to the others. All functions here run
 * under the service's lock.
 */
#ifndef FO_HOOK_SERVICE_INTERNAL_H
#define FO_HOOK_SERVICE_INTERNAL_H

#include "hook/service_data.h"

/* The design's invariants, asserted in builds made for that (configure --enable-debug). */
#ifdef FO_DEBUG
#include <assert.h>
#define FO_INVARIANT(holds) assert(holds)
#else
#define FO_INVARIANT(holds) ((void)(false && (holds)))
#endif

/* ------------------------------------------------------------------ service.c */
struct fo_now fo_service_now(const struct fo_service *service);
/* Kea unloaded the library and did not load it again. */
bool fo_service_removed(const struct fo_service *service);
/* Kea's wall clock and the service's clock, seconds. */
uint32_t fo_from_wall(const struct fo_service *service, uint32_t wall);
uint32_t fo_to_wall(const struct fo_service *service, uint32_t seconds);
struct fo_relationship *fo_relationship_of_pool(struct fo_service *service,
                                                const struct fo_pool *pool);
__attribute__((cold)) void fo_say(struct fo_service *service, enum fo_log_id id, const char *first, ...);
const char *fo_address_text(uint32_t address, char text[16]);
const char *fo_time_text(uint32_t wall, char text[32]); /* local time */
const char *fo_hardware_text(const struct fo_client *client, char text[64]);
/* snprintf that returns its buffer. */
const char *fo_print(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline uint32_t bit_in(const struct fo_pool *pool, uint32_t address)
{
    return address - pool->range.first;
}

/* ------------------------------------------------------------------ configure.c */
const struct fo_subnet_entry *fo_find_subnet(const struct fo_service *service, uint32_t id);

/* ------------------------------------------------------------------ shares.c */
/* Sorts `count` pools of a configuration, and adds those that it retires, `shares.count` + `count` at most;
   returns how many there are then. */
size_t fo_shares_retire(struct fo_service *service, const struct fo_config *config,
                        struct fo_pool *pools, size_t count);
/* What the shares are with these pools, sorted; false: no memory. */
bool fo_shares_plan(struct fo_service *service, const struct fo_config *config,
                    const struct fo_table_pools *pools, struct fo_shares *plan);
/* The partner has the address, and we have it in no pool: unless it is shared already, it and what of
   `within` is not are shared with nobody. False: no memory. */
bool fo_shares_add_foreign(struct fo_service *service, uint32_t address,
                           const struct fo_pool_range *within);
bool fo_shares_foreign(const struct fo_service *service, uint32_t address);
/* How many addresses are shared with nobody. */
uint64_t fo_shares_foreign_count(const struct fo_service *service);
/* Whether they are as now: every pool of a relationship is, and whose it is. */
bool fo_shares_same(const struct fo_service *service, const struct fo_shares *plan);
/* Whether an address comes to the relationship that was another's, or goes from it. */
bool fo_shares_moved(const struct fo_relationship *relationship, const struct fo_config *config,
                     const struct fo_table_pools *pools);
/* They are in force, with the pools and relationships; `plan` is empty then. What the table derives from
   the bits of an address (fo_table_recount) is left to the caller. */
void fo_shares_take(struct fo_service *service, struct fo_shares *plan);

/* ------------------------------------------------------------------ bindings.c */
/* The address changed: the store is to know. */
void fo_mark_dirty(struct fo_service *service, struct fo_pool *pool, uint32_t address);
/* The partner is to hear of it: a new generation. */
void fo_touch(struct fo_service *service, struct fo_pool *pool, uint32_t address);
/* It need not hear of it any more. */
void fo_settle(struct fo_service *service, struct fo_pool *pool, uint32_t address);
/* Kea's row is to follow the table. */
void fo_mark_row(struct fo_service *service, struct fo_pool *pool, uint32_t address);
/* The same for a lease that goes on, and whose row only ends too early: the table decides, so nobody waits
   for that, and rows that somebody waits for come first. */
void fo_mark_row_later(struct fo_service *service, struct fo_pool *pool, uint32_t address);
/* Whether the row is as it must be. */
bool fo_row_follows(const struct fo_pool *pool, uint32_t bit);
void fo_row_written(struct fo_pool *pool, uint32_t bit);
/* A lease ends: EXPIRED, RELEASED or RESET; counts as free only after row and partner. */
void fo_end_lease(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding,
                  enum fo_binding_status status, uint32_t now);
/* The address of an ended lease becomes FREE by our own doing: at once, or when what DNS has of it is
   being removed, for that is ours to do then (5.12.4). */
void fo_free_lease(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding);
void fo_abandon(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding,
                uint32_t since, uint32_t until);
/* Ends of leases and probations that have come. Returns true where more are waiting. */
bool fo_expire(struct fo_service *service, const struct fo_now *now);

/* ------------------------------------------------------------------ queries.c */
/* The query gets no answer. `relationship`: NULL where there is none. */
__attribute__((cold)) void fo_refuse(struct fo_relationship *relationship, struct fo_decision *decision, const char *why);
/* Has a new client waited so long that the partner answers it, too (9.8.2)? If it has an address, the client gets
   that: to move it here now would only take it from under both answers. */
bool fo_partner_answers(const struct fo_relationship *relationship, const struct fo_query *query);
/* Whether its bucket is one of the secondary's. */
bool fo_client_is_secondarys(const struct fo_relationship *relationship,
                             const struct fo_client *client);

/* ------------------------------------------------------------------ choosing.c */
/* False: its bindings are lost, and with them which free addresses are its own. */
bool fo_knows_own_addresses(const struct fo_relationship *relationship, const struct fo_now *now);
/* A DISCOVER: in which network, and in which of its pools (`allowed` NULL: in all). */
struct fo_choice {
    struct fo_relationship *relationship;
    const struct fo_query *query;
    uint32_t network;
    fo_pool_allowed *allowed;
    void *argument;
    const struct fo_now *now;
};
/* The address is held for the client, and the engine steered to it; or the query gets no answer. */
void fo_choose_address(const struct fo_choice *choice, struct fo_decision *decision);
/* A lease of the partner's that our store has not got yet: what we made longer would be forgotten with it in
   a power cut, and the partner believed when it says that the lease has ended (rule of safety 7). */
bool fo_unstored(const struct fo_pool *pool, uint32_t address);
extern const char fo_not_stored[];
/* 5.2.2: what the table allows this client to have at this address. */
bool fo_claimable(struct fo_service *service, struct fo_relationship *relationship,
                  struct fo_pool *pool, uint32_t address, const struct fo_query *query,
                  const struct fo_now *now);

/* ------------------------------------------------------------------ bootp.c */
/* A BOOTP client without reservation gets nothing, and the operator hears why. */
void fo_refuse_bootp(struct fo_relationship *relationship, const struct fo_query *query,
                     struct fo_decision *decision);

/* ------------------------------------------------------------------ grants.c */
/* The time of a transaction that ends the binding's lease. */
uint32_t fo_transaction_now(const struct fo_binding *binding, uint32_t now);

/* The partner may be alone, and knows so little of the client's lease that nothing can be promised. */
bool fo_promises_nothing(const struct fo_relationship *relationship, uint32_t address,
                         const struct fo_query *query, uint32_t now);

/* ------------------------------------------------------------------ updates.c */
bool fo_next_update(void *relationship, bool requested, size_t room, struct fo_outgoing *update);
/* Whether an update of this address is pending and nothing is in its way. */
bool fo_update_sendable(struct fo_service *service, const struct fo_pool *pool, uint32_t address);
void fo_acknowledged(void *relationship, const struct fo_acknowledgement *acknowledgement);
/* When its turn has come. */
void fo_take_acknowledgement(struct fo_relationship *relationship,
                             const struct fo_acknowledgement *ack);
void fo_updates_lost(void *relationship);
/* The pools are others now: `in_flight` and `answering` are what is under way on the connection. Once
   for each change of them, for what is under way of an address that is gone is forgotten. */
void fo_updates_carry_on(struct fo_relationship *relationship);
void fo_retry_rejected(struct fo_relationship *relationship);

/* ------------------------------------------------------------------ requested.c */
/* The partner has lost its bindings; what it promised is held from now on (an UPDREQALL follows). */
void fo_partner_forgot(void *relationship);
uint32_t fo_updates_requested(void *relationship, bool all);
/* A walk for UPDREQALL goes on; true where there is more. */
bool fo_requested_step(struct fo_relationship *relationship, const struct fo_now *now);
bool fo_requested_left(void *relationship);
/* Nobody waits for UPDDONE any more. */
void fo_requested_lost(struct fo_relationship *relationship);
/* Where the partner has to wait for UPDDONE though all is told, the operator hears why, and until when. */
void fo_note_updates_wait(struct fo_relationship *relationship);

/* ------------------------------------------------------------------ rows.c */
/* The length that Kea's row must have: without term where the lease has none. */
static inline uint32_t fo_row_length(uint32_t start, uint32_t end)
{
    return end >= FO_TIME_LAST ? UINT32_MAX : end > start ? end - start : 1;
}

/* When a row of Kea's began, in our clock: not later than now, whatever Kea's clock was then. */
uint32_t fo_row_start(struct fo_service *service, const struct fo_row *row);

/* Whether a lease that ends then is over for us; one without end never is. */
static inline bool fo_is_over(uint32_t end, uint32_t now)
{
    return end < FO_TIME_LAST - FO_EXPIRY_GUARD && end + FO_EXPIRY_GUARD <= now;
}

/* ------------------------------------------------------------------ judgement.c */
/* The client that an update names; points into it. All zero: none. */
struct fo_client fo_update_client(const struct fo_update *update);
/* Its client-last-transaction-time in our clock, 0: none. */
uint32_t fo_transaction_time(struct fo_relationship *relationship, const struct fo_update *update);
/* Whether the partner may hold, or yet accept, something of ours that it has not acknowledged. */
bool fo_partner_unaware(const struct fo_pool *pool, uint32_t bit);
/* FO_REJECT_NONE: accept it. `crossing`: the partner had not acknowledged all of ours when it spoke. */
enum fo_reject_reason fo_judge_update(struct fo_relationship *relationship, struct fo_pool *pool,
                                      const struct fo_binding *binding,
                                      const struct fo_update *update, bool crossing,
                                      const struct fo_now *now);

/* Whether two clients hold the address, of whom one must leave: `reject` is what was judged. */
bool fo_conflicts(const struct fo_relationship *relationship, const struct fo_binding *binding,
                  const struct fo_update *update, enum fo_reject_reason reject,
                  const struct fo_now *now);

/* An update was rejected because the other server knows more: nothing that an operator must mend. */
static inline bool fo_reject_is_ordinary(uint8_t reason)
{
    return reason == FO_REJECT_OUTDATED || reason == FO_REJECT_LESS_CRITICAL;
}

/* ------------------------------------------------------------------ applying.c */
/* Does to the binding what an accepted update says; false: no memory. */
bool fo_apply_update(struct fo_relationship *relationship, struct fo_pool *pool,
                     const struct fo_update *update, bool crossing, const struct fo_now *now);

/* ------------------------------------------------------------------ foreign.c */
enum { FO_FOREIGN_MOST = 1 << 20 }; /* so many addresses are kept, counted by whole pages: with their records some
                                       100 MB, whatever a partner says. Of more nothing is kept */
/* An update of an address that is in no pool here; false: no memory. */
bool fo_note_foreign(struct fo_relationship *relationship, const struct fo_update *update);

/* ------------------------------------------------------------------ inbound.c */
void fo_update_received(void *relationship, const struct fo_message *message);
/* What the partner acknowledges it has judged knowing what it said before: so an acknowledgement
   waits for updates that came before it and are not judged yet. False where there are none. */
bool fo_inbound_defer(struct fo_relationship *relationship, const struct fo_acknowledgement *ack);
/* Moves what was received on: judges, waits for rows and disk, acknowledges; in steps: true where there is more. */
bool fo_inbound_advance(struct fo_relationship *relationship, const struct fo_now *now);
/* Whether the next binding to be judged is this one, and waits for its claim to end. */
bool fo_inbound_waits_for(const struct fo_relationship *relationship, uint32_t address);
void fo_inbound_drop(struct fo_relationship *relationship);
/* See fo_updates_carry_on. `known`: whether the acknowledgement of an address counts. */
void fo_inbound_carry_on(struct fo_relationship *relationship,
                         bool (*known)(void *relationship, uint32_t address));

/* ------------------------------------------------------------------ names.c */
/* What the update says of the lease beside; before its transaction time becomes ours. `merge`: of a
   lease that runs here, too. */
void fo_apply_details(struct fo_relationship *relationship, const struct fo_pool *pool,
                      struct fo_binding *binding, const struct fo_update *update, bool merge,
                      uint32_t cltt);
/* An update ends the lease: are its names the partner's to remove? */
void fo_leave_names(struct fo_relationship *relationship, const struct fo_pool *pool,
                    struct fo_binding *binding, const struct fo_update *update);
/* An update is about to displace the lease: FO_NAMES_IN_ROW, or 0. */
uint8_t fo_names_displaced(const struct fo_pool *pool, const struct fo_binding *binding);
/* Is Kea's main thread to remove names of the binding? And must an update wait for that? */
bool fo_names_due(const struct fo_binding *binding);
bool fo_names_wait(struct fo_service *service, struct fo_pool *pool,
                   const struct fo_binding *binding);
/* An update is about to displace an ended lease: true where its names are removed before. */
bool fo_names_come_first(struct fo_service *service, struct fo_pool *pool,
                         struct fo_binding *binding, const struct fo_update *update);

/* ------------------------------------------------------------------ sharing.c */
uint32_t fo_pool_requested(void *relationship);
/* Looks at pools whose counts changed. True where more is to be moved. */
bool fo_balance_pools(struct fo_service *service, const struct fo_now *now);
/* Marks the next groups of addresses for use (rule of safety 7). */
void fo_open_groups(struct fo_service *service);

/* ------------------------------------------------------------------ alone.c */
/* Startup is over, and there was no contact: `alone`, if the stop was longer than the MCLT. */
void fo_alone_begin(struct fo_relationship *relationship);
/* There is contact, which ends it unless that leads to a conflict; it ends. */
void fo_alone_contact(struct fo_relationship *relationship);
void fo_alone_end(struct fo_relationship *relationship);
/* Whom it serves, for an operator; NULL: everybody. */
const char *fo_alone_words(const struct fo_relationship *relationship);
/* Another configuration is in force; `before`: fo_alone_rule as it was. */
void fo_alone_changed(const struct fo_relationship *relationship, enum fo_without_partner before);
/* No contact yet after such a stop: fo_alone_begin tells it, or will. */
bool fo_starts_after_long_stop(const struct fo_relationship *relationship);
/* Where `alone`: whom it serves, never FO_WITHOUT_AUTO; whether such a query; why not all, or NULL; and
   that in words for an operator. */
enum fo_without_partner fo_alone_rule(const struct fo_relationship *relationship);
bool fo_alone_serves(const struct fo_relationship *relationship, enum fo_query_kind kind);
const char *fo_alone_refusing(const struct fo_relationship *relationship);
const char *fo_alone_meaning(const struct fo_relationship *relationship);

/* ------------------------------------------------------------------ partner_down.c */
/* PARTNER-DOWN, and no connection: bounded by nothing but ourselves. */
bool fo_alone_in_partner_down(const struct fo_relationship *relationship);
/* State or pools changed: the ended leases are looked through, and ... */
void fo_partner_down_look(struct fo_relationship *relationship);
/* ... as where the connection changed, whether the partner's free addresses are ours. */
void fo_partner_down_follow(struct fo_relationship *relationship);
/* The lease has ended: the time is watched at which its address may go to another client. */
void fo_watch_lapse(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding);
/* That time has come, or was lengthened. */
void fo_lapse(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding,
              const struct fo_now *now);
/* Returns true where more is to be done at once. */
bool fo_partner_down_step(struct fo_relationship *relationship, const struct fo_now *now);
int64_t fo_partner_down_deadline(const struct fo_relationship *relationship,
                                 const struct fo_now *now);

/* ------------------------------------------------------------------ maintenance.c */
/* A query, or a row that is being written, has one of its bindings in hand. */
bool fo_is_at_work(const struct fo_relationship *relationship);
void fo_leaving_step(struct fo_relationship *relationship, const struct fo_now *now);
int64_t fo_leaving_deadline(const struct fo_relationship *relationship, const struct fo_now *now);
/* The partner has taken over, or why it may have not. */
void fo_note_shutdown(struct fo_relationship *relationship, const char *why_not);

/* ------------------------------------------------------------------ reservations.c */
/* Takes the host reservations of a configuration. */
void fo_set_reservations(struct fo_service *service, const struct fo_topology *topology);
/* May this server give the reserved, free address to its owner? `binding`: its record, or NULL. */
bool fo_reserved_is_ours(const struct fo_pool *pool, uint32_t address,
                         const struct fo_binding *binding);
/* Primary, in NORMAL: hands reserved addresses to the secondary, too, in steps. True: more to do. */
bool fo_share_reserved(struct fo_service *service, struct fo_pool *pool);
/* The address is BACKUP with the R flag on both servers. */
void fo_note_shared(struct fo_service *service, uint32_t address);

/* ------------------------------------------------------------------ persistence.c */
/* When the changes so far are to be committed. */
int64_t fo_commit_due(const struct fo_service *service);
/* Begins a commit where there is something to write and none is under way. */
void fo_persistence_commit(struct fo_service *service, const struct fo_now *now);
void fo_persistence_free(struct fo_service *service);
/* The store has not been written for so long that a new lease would hardly last: none is promised
   (rule of safety 18); those who have one are served. */
bool fo_store_stalls(const struct fo_relationship *relationship, const struct fo_now *now);
/* The last moment at which a server with this stamp in its store can have run; what is promised must
   not need a later one (rule of safety 7). */
uint32_t fo_last_moment(const struct fo_service *service);
/* False before the first commit after an orderly stop: the next start would still find that stop, and
   doubt nothing, whatever a power cut has made it forget (rule of safety 7). */
bool fo_promises_count(const struct fo_service *service);
/* The epoch with which everything changed so far is durable; durable when <= epoch_durable. */
uint64_t fo_epoch_of_changes(const struct fo_service *service);

/* ------------------------------------------------------------------ loading.c */
int fo_persistence_load(struct fo_service *service, char *error);
bool fo_persistence_record(struct fo_service *service, const char *name,
                           struct fo_endpoint_record *record);
/* Makes room to keep the records of all present relationships; false: no memory. */
bool fo_persistence_reserve(struct fo_service *service);
/* Keeps the record of a relationship that is configured no more, for its return. */
void fo_persistence_keep(struct fo_service *service, const char *name,
                         const struct fo_endpoint_record *record);

/* ------------------------------------------------------------------ doubts.c */
/* Rule of safety 7, at the first configuration after a power cut; and what is free in groups that were
   open then is quarantined, also where another power cut has begun the quarantine. */
void fo_quarantine_open(struct fo_service *service);
void fo_doubt_own_past(struct fo_service *service, const struct fo_now *now);
/* The same for a partner's past, of all addresses that it may have promised something of; in steps: true
   where there is more. */
void fo_doubts_begin(struct fo_relationship *relationship);
bool fo_doubts_step(struct fo_service *service);
/* Another configuration is in force; `other_pools`: an address may be in another relationship, or in none. */
void fo_doubts_carry_on(struct fo_service *service, bool other_pools);
/* At a start: what of that a crash broke off. */
void fo_doubts_resume(struct fo_service *service);
/* Whether there are still such addresses, that may be this relationship's; or it is forgetting its own
   bindings (rolled_back.c): nothing may end meanwhile. */
bool fo_ends_wait(const struct fo_relationship *relationship);
/* A relationship that is back in service with a store that was lost: quarantines all its own free addresses until
   what it has forgotten is over (forgot_until of struct fo_endpoint_record); in one go, of a /8 in some
   milliseconds. Nothing where that is over. */
void fo_quarantine_forgotten(struct fo_relationship *relationship);
/* Seconds, when all that is quarantined is free again; 0: nothing is. */
uint32_t fo_quarantine_ends(const struct fo_service *service);

/* ------------------------------------------------------------------ rolled_back.c */
/* The state file is an older copy: its bindings are forgotten, to be told by the partner ... */
void fo_forget_bindings(void *relationship);
/* ... and now all are: the rows of those that are no more go. */
void fo_forgotten_rows_go(struct fo_relationship *relationship);
/* Both happen in steps; true where there is more. Nobody is served before all is done. */
bool fo_forgetting_step(struct fo_relationship *relationship, const struct fo_now *now);
bool fo_is_forgetting(const struct fo_relationship *relationship);
/* Queries in hand are waited for, whose end wakes nobody. */
int64_t fo_forgetting_deadline(const struct fo_relationship *relationship, const struct fo_now *now);
/* ... or at once, for addresses are about to be another relationship's. */
void fo_forgetting_finish(struct fo_relationship *relationship, const struct fo_now *now);

/* ------------------------------------------------------------------ watchdog.c */
/* Our own thread did not run when it was to (rule of safety 14): what a client says now may be old. */
bool fo_watchdog_late(const struct fo_service *service, const struct fo_now *now);
/* Kea's main thread did not read its sockets for some seconds, and may be reading what waited there. */
bool fo_watchdog_stale(const struct fo_service *service, const struct fo_now *now);
void fo_watchdog_step(struct fo_service *service, const struct fo_now *now);
int64_t fo_watchdog_deadline(const struct fo_service *service);

/* ------------------------------------------------------------------ network.c */
/* Makes room for so many more listeners; false: no memory. */
bool fo_network_reserve(struct fo_service *service, size_t more);
void fo_network_configure(struct fo_service *service);
void fo_network_timer(struct fo_service *service, const struct fo_now *now);
int64_t fo_network_deadline(const struct fo_service *service);
/* Why the partner cannot connect to this server, in words, or "". */
void fo_listen_error(struct fo_service *service, const struct fo_relationship *relationship,
                     char *text, size_t size);

/* ------------------------------------------------------------------ relationship.c */
/* The one of this name, or the only one; NULL: there is none, and `text` says which there are. */
struct fo_relationship *fo_relationship_named(struct fo_service *service, const char *name, char *text,
                                              size_t size);
/* An empty one, or NULL; it begins to live with fo_relationship_start. */
struct fo_relationship *fo_relationship_new(struct fo_service *service);
/* Both take `digest` over, and leave it empty. */
void fo_relationship_start(struct fo_relationship *relationship, int index,
                           const struct fo_config_relationship *config, struct fo_digest *digest);
void fo_relationship_set(struct fo_relationship *relationship,
                         const struct fo_config_relationship *config, struct fo_digest *digest);
void fo_relationship_free(struct fo_relationship *relationship);
/* When the waits may count with a lowered MCLT (rule of safety 12). */
bool fo_watch_mclt(struct fo_relationship *relationship, const struct fo_now *now);
/* Before each handshake, where messages are signed. */
void fo_relationship_new_nonce(struct fo_relationship *relationship);
/* The state that decides about clients, and why nobody is served, or NULL. */
enum fo_state fo_serving_state(const struct fo_relationship *relationship);
/* Its endpoint's record has changed. */
void fo_relationship_store(struct fo_relationship *relationship);
const char *fo_refusing(const struct fo_relationship *relationship, const char **way_out);

/* ------------------------------------------------------------------ differences.c */

/* After the table has its pools: the partner is told which they are. */
void fo_relationship_tell_pools(struct fo_relationship *relationship);
void fo_note_primary_differs(struct fo_relationship *relationship, enum fo_note what);
void fo_note_pools(struct fo_relationship *relationship);
void fo_note_serving(struct fo_relationship *relationship);
/* The configuration's words for what is in a struct fo_serving; NULL: not known. */
const char *fo_mode_name(uint8_t mode);
const char *fo_hash_input_name(uint8_t hash_input);
/* The keys of what is different, for the status. */
void fo_list_differences(const struct fo_relationship *relationship,
                         const char *keys[FO_DIFFERENCES_MAX + 1]);
/* An update was rejected because its address is in no pool; `logged`: when that was last said. */
void fo_note_outside_pools(struct fo_relationship *relationship, enum fo_log_id id, uint32_t address,
                           int64_t *logged);
/* The partner enters names in DNS; do we, too? */
void fo_note_partners_names(struct fo_relationship *relationship);
void fo_watch_clock(struct fo_relationship *relationship, const struct fo_now *now);

#endif
