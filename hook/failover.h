/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The one face of the service that the shim sees: what a callout asks and what it must tell.
 *
 * No call here waits for disk, network or partner; each takes the service's lock for microseconds.
 * Every call may come from any thread, unless it says "main thread". Addresses are IPv4 in host
 * byte order; times are seconds since 1970 in Kea's wall clock unless a name says otherwise.
 *
 * A query passes in this order: fo_query_begins and fo_subnet_selected (subnet4_select),
 * fo_lease_offered or fo_lease_requested (lease4_select, lease4_renew), fo_committed (pkt4_send); a
 * RELEASE or DECLINE fo_query_received (lease4_release, lease4_decline), fo_released or fo_declined (the
 * end of its packet). A claim made on the way undoes itself by fo_claim_release.
 */
#ifndef FO_HOOK_FAILOVER_H
#define FO_HOOK_FAILOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hook/config.h"
#include "protocol/details.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fo_env;
struct fo_service;

/* ------------------------------------------------------------------ life of the service */

/* Makes the service: reads stable storage. Nothing runs yet. NULL with a text in `error`
   (FO_CONFIG_ERROR_MAX bytes) where the store is unusable or memory ran out. */
struct fo_service *fo_service_new(const struct fo_env *env, char *error);
void fo_service_free(struct fo_service *service);

/* Main thread, with no packet in work: takes a (new) configuration, checked by fo_config_check,
   and the pools; keeps connections of relationships whose parameters stay. Copies what it needs.
   Returns 0, or -1 with a text in `error` where memory ran out: the service is as it was then. */
int fo_service_configure(struct fo_service *service, const struct fo_config *config,
                         const struct fo_topology *topology, char *error);

/* Main thread, after configure: every lease row of the governed subnets is shown to the service
   (rule of safety 8), between begin and end. End says false where memory ran out: it is as if the comparison had
   been broken off (Kea's database may fail in the middle, too), no client may be answered, and it is to be made
   once more. */
struct fo_row;
void fo_reconcile_begin(struct fo_service *service);
void fo_reconcile_row(struct fo_service *service, const struct fo_row *row);
bool fo_reconcile_end(struct fo_service *service);

/* Kea unloads the library for a new configuration: the connection waits 5 s for configure, then is
   closed in order (rule of safety 15). No callout until then. */
void fo_service_suspend(struct fo_service *service);

/* Kea exits: PAUSED goes to the partners after everything said is durable. The caller then runs
   the loop until fo_service_stopped, at most 3 s. */
void fo_service_stop(struct fo_service *service);
bool fo_service_stopped(struct fo_service *service);

/* ------------------------------------------------------------------ orders */

/* failover-partner-down. */
struct fo_partner_down_order {
    const char *relationship; /* NULL: the only one */
    bool has_since;
    uint32_t since;           /* Kea's clock, seconds since 1970: when the partner went down */
    bool force;               /* though it seems to be alive */
    bool dry_run;
};
/* The partner is down (9.4). `text` tells what is so now, or why it is refused (false). */
bool fo_partner_down(struct fo_service *service, const struct fo_partner_down_order *order,
                     char *text, size_t size);

/* failover-shutdown, failover-maintenance-start and -cancel. */
struct fo_leave_order {
    const char *relationship; /* NULL: the only one */
    bool maintenance;         /* it can be cancelled */
    bool dry_run;
};
/* This server goes, its partner serves all clients (9.14); and comes back. As above. */
bool fo_leave(struct fo_service *service, const struct fo_leave_order *order, char *text, size_t size);
bool fo_come_back(struct fo_service *service, const struct fo_leave_order *order, char *text,
                  size_t size);

/* ------------------------------------------------------------------ queries */

struct fo_client {
    const uint8_t *hardware;   /* without the type */
    const uint8_t *identifier; /* client identifier option with its type byte, or NULL */
    uint8_t hardware_type;
    uint8_t hardware_length;   /* 0..20 */
    uint8_t identifier_length; /* 0: none */
};

/* ms: so long ago a RELEASE or DECLINE may have come of which Kea does not know when. It has waited behind
   other queries, not behind a main thread that hung, which the watchdog sees. */
enum { FO_AGE_MOST = 5000 };

struct fo_query {
    struct fo_client client; /* from fo_subnet_selected on without identifier where the subnet knows
                                clients by their hardware address alone (match-client-id) */
    uint8_t message_type;  /* DHCP option 53: 1 DISCOVER, 3 REQUEST, 4 DECLINE, 7 RELEASE, 8 INFORM */
    bool names_server;     /* a server identifier is there: ours, others' never come */
    bool asks_address;     /* option 50 is there */
    bool bootp;            /* BOOTP, not DHCP; message_type is REQUEST (5.14) */
    uint16_t secs;         /* as sent; bytes in the wrong order are recognised */
    uint32_t asked_address;
    uint32_t ciaddr;
    uint32_t age_ms;       /* RELEASE, DECLINE: so long ago it came at most */
    uint32_t reserved_address; /* the client's reservation in this subnet, 0: none (see
                                  fo_reservations_matter) */
};

enum fo_answer {
    FO_PASS, /* go on */
    FO_DROP, /* be silent */
};

/* A binding being changed by one query (rule of safety 1). Keep it with the packet; release it when
   the packet ends, whatever happened; releasing twice does nothing. */
struct fo_claim {
    uint32_t address; /* 0: no claim */
    uint32_t serial;
    bool row_written; /* the engine may have written Kea's row */
};

/* Why a query was dropped, for the log; the strings live until the next configure. */
struct fo_refusal {
    const char *relationship;
    const char *owner; /* the server whose bucket it is */
    const char *reason;
};

struct fo_decision {
    enum fo_answer answer;
    bool governed;        /* a relationship of ours is concerned */
    uint8_t bucket;       /* the client's (RFC 3074), of its identifier even where the subnet knows
                             clients by their hardware address; of what `hash-input` names */
    bool of_hardware;     /* the bucket is that of the hardware address, though it has both */
    bool steer;           /* DISCOVER: put `address` into option 50 */
    bool nak;             /* REQUEST: it is refused aloud; fo_lease_requested will answer FO_DROP, and
                             where that skips a lease4_select, the engine's NAK goes out */
    bool doubtful;        /* REQUEST: Kea's rows did not follow the table when it was claimed: what
                             the engine refuses, it may refuse for that, so its NAK must not go out */
    bool rowless;         /* DISCOVER, before fo_lease_offered: Kea has no row of the client in this
                             network; REQUEST: nor had it when the claimed address was offered */
    uint32_t address;     /* DISCOVER: the address held for the client, 0: the engine's own choice
                             (its lease or reservation); REQUEST: the claimed address */
    uint32_t bounded_at;  /* REQUEST: the second in which the length of its lease was bounded; RELEASE,
                             DECLINE: in which it came */
    struct fo_claim claim;
    struct fo_refusal refusal; /* filled where answer is FO_DROP */
};

/* First of all, with all that identifies the client: which bucket it is in. */
void fo_query_begins(const struct fo_query *query, struct fo_decision *decision);

/* lease4_release, lease4_decline: decided by the address, which is claimed; and a query for which no subnet
   was found: dropped where no relationship could answer. Contains fo_query_begins. */
void fo_query_received(struct fo_service *service, const struct fo_query *query,
                       struct fo_decision *decision);

/* Says whether the client may use a pool (class guards), by the pool's first address; may be NULL. */
typedef bool fo_pool_allowed(void *argument, uint32_t subnet_id, uint32_t pool_first);

/* subnet4_select, for DISCOVER, REQUEST and INFORM. `decision` is the one of fo_query_begins. */
void fo_subnet_selected(struct fo_service *service, uint32_t subnet_id,
                        const struct fo_query *query, fo_pool_allowed *allowed, void *argument,
                        struct fo_decision *decision);

/* subnet4_select of a REQUEST, after that: the next address (after `after`, 0 first) at which Kea may
   still have a row of this client beside the claimed one. With two rows the engine may look at the
   wrong one, and refuse the client what it holds. A lease there ends: the client has moved. True:
   delete Kea's row at `left->address`, then fo_claim_release(left). */
bool fo_moved_from(struct fo_service *service, const struct fo_query *query,
                   struct fo_decision *decision, uint32_t after, struct fo_claim *left);

/* Whether there is such an address by now. What has come since the query did is not left by it: the query
   may be the older of the two, having been held up in Kea; but a NAK for it may be of the wrong row. */
bool fo_has_moved(struct fo_service *service, const struct fo_query *query,
                  const struct fo_decision *decision);

/* True where what is decided on this query in this subnet depends on reserved_address. */
bool fo_reservations_matter(struct fo_service *service, uint32_t subnet_id, const struct fo_query *query);

/* lease4_select or lease4_renew of a DISCOVER: the engine is about to offer `*address` for `*length`
   seconds (UINT32_MAX: infinite). Bounds the length; replaces an address that is not ours by one
   that is, of the same subnet. Returns FO_DROP where there is none: mark the packet, its answer
   must not go out. */
enum fo_answer fo_lease_offered(struct fo_service *service, uint32_t subnet_id,
                                const struct fo_query *query, struct fo_decision *decision,
                                uint32_t *address, uint32_t *length);

/* lease4_select or lease4_renew of a REQUEST: the engine is about to grant `address`. Bounds the
   length. FO_DROP where it is not the claimed address: the answer must not go out, and a
   lease4_select is to be skipped (never a lease4_renew). */
enum fo_answer fo_lease_requested(struct fo_service *service, uint32_t subnet_id,
                                  const struct fo_query *query, struct fo_decision *decision,
                                  uint32_t address, uint32_t *length);

/* pkt4_send of a REQUEST that was granted: Kea's row is written with `cltt` and `length`; `desired` is the
   length that the configuration would have given; `details` is what the row says beside (NULL:
   nothing is known of it). The binding becomes ACTIVE. `*row_length` is what
   the row must say (rule of safety 5): where it differs from `length`, write a copy of the row with
   it before fo_claim_release. FO_DROP where the claim is not good any more. */
enum fo_answer fo_committed(struct fo_service *service, uint32_t subnet_id,
                            const struct fo_query *query, struct fo_decision *decision,
                            uint32_t cltt, uint32_t length, uint32_t desired,
                            const struct fo_details *details, uint32_t *row_length);

/* The end of a RELEASE or DECLINE that Kea has honoured (the row is gone, or declined until `probation_end`).
   `names_removed`: Kea has seen to the lease's entries in DNS, or the caller does, where this is true: the
   lease is over. */
bool fo_released(struct fo_service *service, struct fo_decision *decision, bool names_removed);
void fo_declined(struct fo_service *service, struct fo_decision *decision, uint32_t probation_end);

/* The engine deleted the client's older row at `address`. */
void fo_row_deleted(struct fo_service *service, uint32_t address, const struct fo_client *client);

/* The packet ends. */
void fo_claim_release(struct fo_service *service, struct fo_claim *claim);

/* ------------------------------------------------------------------ Kea's lease rows */

enum fo_row_job {
    FO_ROW_PUT,    /* write this row, adding or updating, statistics included */
    FO_ROW_DELETE, /* delete it, statistics included; before, queue the removal from DNS of what
                      `details` names, should the row be gone already, too */
    FO_ROW_READ,   /* tell what is there by fo_rows_done */
};

enum fo_row_state { FO_ROW_ABSENT, FO_ROW_LEASED, FO_ROW_DECLINED, FO_ROW_RECLAIMED };

struct fo_row {
    enum fo_row_job job;
    enum fo_row_state state;
    uint32_t address;
    uint32_t subnet_id;
    uint32_t cltt;
    uint32_t length; /* valid lifetime, seconds; UINT32_MAX: infinite */
    struct fo_client client;
    struct fo_details details;
    bool displaces;  /* PUT, DELETE: queue the removal of what DNS has of the row that there is, for its
                        lease is over, and nobody else will */
    uint32_t serial; /* the service's own */
    uint8_t bytes[20 + 255 + 2 * FO_DETAIL_MAX]; /* what these two point to, where the service filled
                                                    them in */
};

/* Main thread: the next row to be written, deleted or read. False: nothing (more) now. */
bool fo_rows_next(struct fo_service *service, struct fo_row *row);
/* Main thread: what became of it. `failure` is NULL, or why Kea's lease database refused (it is
   tried again). For FO_ROW_READ, `found` is the row there is (state FO_ROW_ABSENT: none). */
void fo_rows_done(struct fo_service *service, const struct fo_row *row, const struct fo_row *found,
                  const char *failure);
/* Main thread: how long a slice may be, microseconds. */
uint32_t fo_rows_slice(struct fo_service *service);
/* Main thread: this slice took so long; wake_rows comes no sooner again than that. */
void fo_rows_slice_over(struct fo_service *service, uint32_t microseconds);

/* Main thread: a lease command has written Kea's row of this address, or deleted it. The table stands
   (rule of safety 17): the row will be what the table says, and the operator is told. But deleting the row of a
   lease without end ends that. */
void fo_row_commanded(struct fo_service *service, uint32_t address, const char *command,
                      bool deleted);
/* The same of a command that deleted rows of a subnet (0: of all), it is not known which. */
void fo_rows_commanded(struct fo_service *service, uint32_t subnet_id, const char *command);

/* ------------------------------------------------------------------ status */

struct fo_pool_status {
    uint32_t subnet_id;
    uint64_t total, free, backup, active, expired, released, abandoned, reset, reserved;
    uint64_t available; /* free addresses that this server can give now */
    uint64_t offered;
};

/* An update of ours that the partner does not accept: the two servers disagree. */
struct fo_rejected {
    uint32_t address; /* 0: none */
    uint32_t time;    /* when it was said last */
    uint8_t reason;   /* 12.21, 0: not known (any more) */
    char text[101];   /* the partner's own words, or empty */
};

enum { FO_DIFFERENCES_MAX = 5 };

struct fo_relationship_status {
    const char *name; /* valid until the next configure */
    const char *self_name, *partner_name, *partner_url;
    const char *state, *partner_state; /* the draft's names */
    const char *meaning;               /* the state in words */
    const char *refusing;              /* why clients are refused, or NULL */
    const char *way_out;               /* what ends it */
    const char *connection;            /* "established", "connecting", "waiting", ... */
    char last_error[320];              /* why the last connection was lost or refused, or empty */
    uint32_t last_error_time;
    char listen_error[128];            /* why the partner cannot connect to this server, or empty */
    bool primary, connected;
    uint8_t state_code, partner_state_code;
    uint32_t state_since, partner_state_since, last_contact; /* 0: never */
    uint32_t deadline;                 /* when the state ends by itself, 0: not */
    uint64_t quarantined;              /* free addresses that may be leased, and forgotten: they stay unused ... */
    uint32_t quarantined_until;        /* ... until then; 0: there are none */
    uint32_t mclt, buckets;            /* MCLT in force; how many of 256 buckets are ours */
    int32_t clock_difference;          /* partner's clock minus ours, seconds */
    const char *partner_mode, *partner_hash_input; /* NULL: it has not told */
    const char *differences[FO_DIFFERENCES_MAX + 1]; /* keys of what the two have differently; NULL ends */
    uint64_t pending, unacknowledged, rejected;  /* our updates: not yet sent, in flight, rejected */
    uint64_t unstored;                           /* changes not yet in the state file */
    struct fo_rejected rejected_example;         /* one of the rejected ones */
    const char *rejected_status, *rejected_reason; /* in words */
    uint64_t updates_sent, updates_received, updates_rejected, updates_refused;
    uint32_t ack_ms, ack_longest_ms; /* from BNDUPD to BNDACK: the last, the connection's longest */
    uint64_t queries_dropped, clients_refused;
    const struct fo_config_relationship *parameters;
    const char *state_file;
    char state_file_error[64];         /* why it cannot be written, or empty */
    uint32_t state_file_error_since;
};

/* Kea's main thread runs; `idle` is why Kea answers no clients (a text that stays), NULL: it does. From
   the first such call on both are watched (rule of safety 14), and wake_rows of struct fo_env is to be
   answered by one, too. */
void fo_kea_pulse(struct fo_service *service, const char *idle);

size_t fo_relationship_count(struct fo_service *service);
bool fo_relationship_status(struct fo_service *service, size_t index,
                            struct fo_relationship_status *status);
/* A relationship's subnets: the `index`th, false at the end. */
bool fo_pool_status(struct fo_service *service, size_t relationship, size_t index,
                    struct fo_pool_status *status);

#ifdef __cplusplus
}
#endif

#endif
