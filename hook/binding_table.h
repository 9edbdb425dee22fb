/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Every address of the governed pools (draft 5.11, 7.1.5), in memory. Callouts never go further.
 *
 * An address that was never leased costs bits alone: whose it is (FREE or BACKUP), whether it can
 * be given now, whether the partner must still be told. The first lease gives it a record of 64
 * bytes with its client; two indexes find it, by address and by client. What a lease tells beside
 * that (protocol/details.h) lies behind the client's identity: outside the record, where it is long.
 *
 * One fact, one place: `backup` says whose a free address is; the record's status says all else.
 * What can be given (`available`, `closed`) is derived, by fo_table_refresh alone, after a change; what an
 * offer or claim begins to hold cannot.
 */
#ifndef FO_HOOK_BINDING_TABLE_H
#define FO_HOOK_BINDING_TABLE_H

#include "hook/bitmap.h"
#include "hook/failover.h"
#include "hook/heap.h"
#include "hook/index.h"
#include "protocol/details.h"
#include "protocol/lease_time.h"
#include "protocol/message.h"

enum {
    FO_GROUP_BITS = 6,    /* 64 addresses are marked at once before first use (rule of safety 7) */
    FO_IDENTITY_INLINE = 16, /* an Ethernet address and an identifier made of it: 13 */
    FO_RECORD_CHUNK = 1024, /* records are allocated so many at a time and never move */
};

/* struct fo_binding flags */
enum {
    FO_FLAG_FREEING = 0x01,  /* becomes FREE (or BACKUP) when Kea's row is gone (rule of safety 2) */
    FO_FLAG_TO_BACKUP = 0x02, /* with FREEING: BACKUP */
    FO_FLAG_SENT = 0x04,     /* this generation was sent to the partner at some time (5.2.2) */
    FO_FLAG_READ_ROW = 0x08, /* Kea's row is to be read again */
    FO_FLAG_IN_HEAP = 0x10,
    FO_FLAG_DOUBTFUL = 0x20, /* had ended (or been declined), and is held because of what was forgotten
                                since: not its client's either before the partner agrees (rule of safety 7) */
    FO_FLAG_ALONE = 0x80,    /* its tenure began in PARTNER-DOWN, and the partner has not agreed yet */
    FO_FLAG_RESERVED = 0x40, /* BACKUP with the R flag: each server may give it, to its owner alone
                                (5.13, rule of safety 16) */
};

/* struct fo_binding ip_flags: names in DNS that nobody else will remove, of a lease that another one
   displaces: those that Kea's row alone tells of, and those of the binding itself, before it is
   another client's. */
enum { FO_NAMES_IN_ROW = 0x80, FO_NAMES_DUE = 0x40 };

/* The record of one address. */
struct fo_binding {
    uint32_t address;
    uint32_t generation; /* moves with each change that the partner is to hear of */
    struct fo_times times;
    uint32_t cltt;           /* client-last-transaction-time */
    uint32_t start_of_state;
    uint32_t potential;      /* what the next update says as potential-expiration-time */
    uint32_t watched;        /* the time under which it stands in the heap of ends, with IN_HEAP */
    uint8_t status;          /* enum fo_binding_status, FO_FREE for both FREE and BACKUP */
    uint8_t flags;
    uint8_t hardware_type;
    uint8_t hardware_length;
    uint8_t identifier_length;
    uint8_t ip_flags;        /* FO_IP_FLAG_BOOTP (the client's, not the address's), FO_NAMES_... */
    uint16_t details_length; /* packed; 0: nothing is told */
    union {
        uint8_t inside[FO_IDENTITY_INLINE]; /* hardware address, client identifier, details */
        uint8_t *outside;                   /* where they are longer */
    } identity;
};

/* A pool and its bits; bit i is address first + i. */
struct fo_pool {
    struct fo_pool_range range;
    int relationship; /* index, -1: not governed */
    bool primary;     /* our role in that relationship */
    bool retired;     /* a reload took it away: no client gets anything of it, but between the partners all
                         goes on as before (shares.c) */
    bool all_ours;    /* the partner's free addresses may be given, too (PARTNER-DOWN, 9.4.2) */
    uint32_t size;
    uint32_t cursor;           /* where the next address is looked for */
    uint32_t free_count, backup_count; /* addresses FREE and BACKUP, reserved ones aside */
    bool reconciled;           /* Kea's rows have been compared with it, and we have run since */
    bool reserved_moved;       /* a reserved address may be to be shared */
    uint32_t reserved_at;      /* where the walk over them goes on, 0: none is under way */
    uint32_t balanced_free, balanced_backup; /* those counts when the balance was last looked at */
    int64_t refused_at, partner_refused_at;  /* boot ms when that server last lacked an address */
    uint32_t status_count[8];  /* records by status, FO_FREE aside */
    struct fo_bitmap available; /* can be given to a new client now */
    struct fo_bitmap closed;    /* could, but for what is not stored yet: the mark of its group, or that
                                   its last lease is over (rule of safety 7) */
    struct fo_bitmap unacked;   /* the partner is to be told */
    struct fo_bitmap rejected;  /* it refused; told again later */
    struct fo_bitmap requested; /* to be answered before UPDDONE */
    struct fo_bitmap in_flight; /* a BNDUPD is under way */
    struct fo_bitmap answering; /* an update of the partner's is in force, but not acknowledged yet */
    struct fo_bitmap dirty;     /* changed since the store's last batch began */
    struct fo_bitmap saving;    /* in that batch */
    struct fo_bitmap rows;      /* Kea's row is to be written, deleted or read */
    struct fo_bitmap rows_later; /* it is there, and only ends too early: nobody waits for it */
    struct fo_bitmap used;      /* has a record that is not FREE or BACKUP */
    struct fo_bitmap backup;    /* BACKUP rather than FREE */
    struct fo_bitmap returning; /* nobody's: the primary's FREE that the secondary has not yet agreed to
                                   give back (5.4); the secondary's whose reservation went (5.13) */
    struct fo_bitmap reserved;  /* a host reservation names it */
    struct fo_bitmap quarantined; /* free, but maybe leased in our forgotten past (rule 7) */
    struct fo_bitmap doubted;   /* the partner has forgotten what it promised of it, and it is not held
                                   accordingly yet (doubts.c) */
    struct fo_bitmap told;      /* its client's latest transaction was at the partner, or may have been */
    struct fo_bitmap learned;   /* a lease that the partner began, and the store has not got yet */
    struct fo_bitmap open;      /* by group: durably marked as in use */
    struct fo_bitmap opening;   /* by group: to be marked */
    struct fo_bitmap marking;   /* by group: of these, in the store's present epoch */
};

/* A hold (offer) or claim on an address: few at a time. */
struct fo_hold {
    uint32_t address;     /* 0: the entry is free */
    uint32_t serial;      /* of a claim, 0: an offer */
    bool rowless;         /* offer: Kea had no row of its client */
    uint64_t client;      /* hash of the client's key */
    int64_t until;        /* boot ms, offers */
    uint32_t previous, next; /* offers in the order of their ends; FO_INDEX_NONE at both ends */
};

struct fo_table {
    const struct fo_env *env;
    uint8_t hash_key[16];   /* of the hash of clients (hostile input) */
    struct fo_hashed {      /* the last one hashed: a query asks for its client's several times */
        uint8_t key[FO_IDENTITY_INLINE], length;
        uint64_t hash;
    } hashed;
    struct fo_pool *pools;  /* sorted by address */
    size_t pool_count;
    struct fo_pool *past;   /* bits of addresses that no relationship of now has, nor retired: whose an
                               address is does not change by that, should it come back; sorted, too */
    size_t past_count;
    struct fo_binding **chunks;
    size_t chunk_count;
    uint32_t record_count;  /* used of all chunks */
    struct fo_index by_address;
    struct fo_index by_client; /* records with a client */
    struct fo_heap ends;       /* of ACTIVE leases and ABANDONED addresses */
    uint32_t unwatched_from;   /* the first record whose end may not be there, for lack of memory;
                                  FO_INDEX_NONE: all are */
    struct fo_hold *holds;
    uint32_t hold_capacity, hold_free; /* a free list through `next` */
    struct fo_index holds_by_address;
    struct fo_index offers_by_client;
    uint32_t first_offer, last_offer;
    uint32_t offer_count, claim_count;
    uint32_t next_serial;
};

/* An empty table. False where libsodium, which hashes clients, cannot be used. */
bool fo_table_init(struct fo_table *table, const struct fo_env *env);
void fo_table_free(struct fo_table *table);

/* Another configuration's pools, and what is kept of those that are in none of them. */
struct fo_table_pools {
    struct fo_pool *pools;
    size_t pool_count;
    struct fo_pool *past;
    size_t past_count;
};

/* By their addresses. */
void fo_pools_sort(struct fo_pool *pools, size_t count);
/* Makes the pools of a configuration, given in any order, with role and relationship for each, and those
   that are retired by it. Bits of addresses that stay are kept, and those of addresses that go, for their
   return. False where memory ran out. Nothing of the table changes before fo_table_take, which cannot fail and must come before
   any other change; records are kept in any case. */
bool fo_table_prepare(struct fo_table *table, const struct fo_pool *pools, size_t count,
                      struct fo_table_pools *prepared);
void fo_table_take(struct fo_table *table, struct fo_table_pools *prepared);
/* Frees what was prepared and is not wanted. */
void fo_table_discard(struct fo_table *table, struct fo_table_pools *prepared);
/* Both at once. */
bool fo_table_set_pools(struct fo_table *table, const struct fo_pool *pools, size_t count);
/* Derives counts, `used` and what can be given from bits and records, of all addresses. */
void fo_table_recount(struct fo_table *table);
/* The counts of owners, and what can be given, of one pool: words of bits alone (a /8: some milliseconds). */
void fo_table_recount_owners(struct fo_table *table, struct fo_pool *pool);
/* Adds a part to `past`, with all bits clear; no other part has an address of it. NULL: no memory. */
struct fo_pool *fo_table_add_past(struct fo_table *table, uint32_t first, uint32_t last);

/* The pool of an address, retired or not, or NULL. */
struct fo_pool *fo_table_pool(struct fo_table *table, uint32_t address);
/* The same, if it is one of Kea's: what concerns clients. */
struct fo_pool *fo_table_served(struct fo_table *table, uint32_t address);
/* Of an address that is in no pool any more: the part of `past` that has its bits, or NULL. */
struct fo_pool *fo_table_past(struct fo_table *table, uint32_t address);
/* Either of them: where the bits of an address are. NULL: it has none. */
struct fo_pool *fo_table_kept(struct fo_table *table, uint32_t address);
/* Walks the pools, then the parts of `past`: NULL past the end. */
struct fo_pool *fo_table_part(const struct fo_table *table, size_t index);

/* The record of an address, or NULL. */
struct fo_binding *fo_table_find(struct fo_table *table, uint32_t address);
/* The same, made (as FREE) where there is none; NULL where memory ran out. */
struct fo_binding *fo_table_make(struct fo_table *table, uint32_t address);
/* Walks all records: the record number `index`, NULL past the end. */
struct fo_binding *fo_table_record(struct fo_table *table, uint32_t index);

/* FREE, BACKUP, or the record's status. */
enum fo_binding_status fo_table_status(struct fo_table *table, struct fo_pool *pool,
                                       uint32_t address);

/* ------------------------------------------------------------------ clients */

/* Sets (or, NULL, clears) a record's client; the details of another end. False where memory ran out
   (nothing changed). */
bool fo_table_set_client(struct fo_table *table, struct fo_binding *binding,
                         const struct fo_client *client);
/* The record's client; points into the record. All zero where it has none. */
struct fo_client fo_table_client(const struct fo_binding *binding);
bool fo_table_has_client(const struct fo_binding *binding);
/* As Kea's engine sees it: equal identifiers, or equal hardware where one has no identifier. */
bool fo_table_same_client(const struct fo_binding *binding, const struct fo_client *client);
/* The client's records, one after the other: pass the last found, or NULL first. */
struct fo_binding *fo_table_next_of_client(struct fo_table *table, const struct fo_client *client,
                                           const struct fo_binding *after);
uint64_t fo_table_client_hash(struct fo_table *table, const struct fo_client *client);

/* What its lease tells beside; points into the record. */
struct fo_details fo_table_details(const struct fo_binding *binding);
/* Keeps what is told (nothing: what there was stays). False where memory ran out (nothing changed). */
bool fo_table_set_details(struct fo_table *table, struct fo_binding *binding,
                          const struct fo_details *details);
/* Has DNS something of this lease that is to be removed by us? It is not ours to do, or it is done. */
bool fo_table_has_names(const struct fo_binding *binding);
void fo_table_forget_names(struct fo_binding *binding);
void fo_table_names_removed(struct fo_binding *binding);

/* ------------------------------------------------------------------ changes */

/* Moves a record to a status (FO_FREE or FO_BACKUP set the bit too), zeroing the four times where it
   becomes FREE or BACKUP (rule of safety 6); counts and `available` follow. */
void fo_table_set_status(struct fo_table *table, struct fo_binding *binding,
                         enum fo_binding_status status);
/* FREE <-> BACKUP, with or without a record; ends `returning`. */
void fo_table_set_owner(struct fo_table *table, struct fo_pool *pool, uint32_t address,
                        bool backup);
/* Is all of it in stable storage? */
bool fo_table_stored(const struct fo_pool *pool, uint32_t address);
/* Derives `available` and `closed` of one address. */
void fo_table_refresh(struct fo_table *table, struct fo_pool *pool, uint32_t address);
/* The same of all addresses. */
void fo_table_refresh_pool(struct fo_table *table, struct fo_pool *pool);
/* Whether the partner's free addresses of the pool are ours to give, too; at once for the whole pool
   (a /8: some milliseconds). */
void fo_table_set_all_ours(struct fo_table *table, struct fo_pool *pool, bool all_ours);
/* Is the address free and ours, held by nobody, by its bits alone (groups and holds aside)? */
bool fo_table_ours(struct fo_table *table, struct fo_pool *pool, uint32_t address);
/* The group of an address (by absolute address: 64 from a multiple of 64). */
uint32_t fo_pool_group(const struct fo_pool *pool, uint32_t bit);
/* Opens one, after its mark is durable. */
void fo_table_open_group(struct fo_table *table, struct fo_pool *pool, uint32_t group);
/* Puts the record under this time into the heap where it is not there already, or only later; an
   entry that is not the record's `watched` is stale. False: no memory. */
bool fo_table_watch(struct fo_table *table, struct fo_binding *binding, uint32_t when);
/* The same with the record's end; where there is no memory, fo_table_watch_again will do it. */
bool fo_table_watch_end(struct fo_table *table, struct fo_binding *binding);
/* Looks through at most so many records for ends that are not watched, from `unwatched_from` on.
   False: there is still no memory. */
bool fo_table_watch_again(struct fo_table *table, int most);

/* ------------------------------------------------------------------ offers and claims */

/* The hold on an address, or NULL. */
struct fo_hold *fo_table_hold(struct fo_table *table, uint32_t address);
/* The address offered to a client within [first, last], or 0. */
uint32_t fo_table_offered_to(struct fo_table *table, uint64_t client, uint32_t first,
                             uint32_t last);
/* Holds an address for a client until `until` (boot ms); renews its own hold. */
bool fo_table_offer(struct fo_table *table, uint32_t address, uint64_t client, int64_t until);
/* Claims: 0 where another claim is there or memory ran out, else the claim's serial. An offer on
   the address ends. */
uint32_t fo_table_claim(struct fo_table *table, uint32_t address);
bool fo_table_claimed(struct fo_table *table, uint32_t address);
/* Ends a claim (serial must fit) or an offer (serial 0). */
bool fo_table_unhold(struct fo_table *table, uint32_t address, uint32_t serial);
/* Ends offers that are over; boot ms of the next end, INT64_MAX: none. */
int64_t fo_table_expire_offers(struct fo_table *table, int64_t now);

#endif
