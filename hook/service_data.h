/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The service's own structures and limits. Everything here is read and changed under the service's
 * lock, by the files of hook/ that make the service up; what they do for each other is in
 * service_internal.h.
 */
#ifndef FO_HOOK_SERVICE_DATA_H
#define FO_HOOK_SERVICE_DATA_H

#include "hook/binding_table.h"
#include "hook/service.h"
#include "protocol/endpoint.h"
#include "protocol/faults.h"
#include "protocol/state.h"

enum {
    FO_PENDING_MAX = 16,          /* connections that have not said who they are */
    FO_STAMP_MS = 10000,          /* how often "still running" is stored (rule of safety 7) */
    FO_STAMP_LATE_S = 15,         /* how old a stamp can be at most while promises count on it: the
                                     interval and a commit that takes its time */
    FO_REJECTED_RETRY_MS = 300000, /* rejected updates are tried again so often */
    /* Seconds after its end that a lease is over for us. Its client counts from when it asked, we from
       the whole second of that: 1. Where the partner gave it, its end is converted by a difference of
       header times, whole seconds of both clocks: 1. And 1 for what clocks drift apart until then. */
    FO_EXPIRY_GUARD = 3,
    FO_TRANSACTION_GUARD = 4,     /* seconds between transactions at two servers below which neither
                                     is later: two that a release is ahead, one of the clocks, one */
    FO_CERTAIN = 5,               /* seconds by which times of two servers must differ to be told
                                     apart */
    FO_COMMIT_DELAY_MS = 100,     /* changes come together so long before a commit: one commit, one
                                     BNDUPD and one wake-up for many clients */
    FO_COMMIT_LOADED_MS = 500,    /* so long where FO_COMMIT_LOAD have come by then, and no BNDACK waits */
    FO_STALL_MS = 15000,          /* a commit that takes longer is told as a failure */
    FO_ROW_RETRY_MS = 1000,
    FO_ROW_SLICE_US = 1000,       /* so long Kea may write rows and not look at packets */
    FO_ROW_LONG_SLICE_US = 4000,  /* and so long where it answers none: acknowledgements wait for it */
    FO_WATCH_RETRY_MS = 1000,     /* for memory to watch the end of a lease */
    FO_SEND_AHEAD = 64 << 10,     /* bytes: BNDUPDs are packed until so many wait to be written. So one turn takes
                                     a fraction of a ms, whatever the window, and a STATE waits behind little */
    FO_SEND_LOOK_MS = 1,          /* how soon it is looked whether they are written */
    FO_LOOK_MS = 50,              /* so often it is looked at whether queries in hand, or last
                                     acknowledgements, have come to their end */
    FO_SUSPEND_MS = 5000,         /* a reload that takes longer closes the connections */
    FO_STOP_MS = 2500,
    FO_REFUSED_MS = 15000,        /* a refusal counts as shortage for so long (5.4) */
    FO_LOG_LIMIT_MS = 60000,      /* repeated warnings are logged so often */
    FO_DIFFER_LOG_MS = 3600000,   /* and those of what stays as it is until somebody mends it */
    FO_COMPARED_NOTHING = 1,      /* a moment before all rows: what they said is not all in the store */
    FO_PAGE_ADDRESSES = 4096,     /* addresses whose bits are stored together */
    FO_PAGE_BYTES = 3 * 512 + 8,  /* backup, unacked, returning; open groups */
};

/* How much is done at once. In the simulation, with its small pools, next to nothing: so whatever
   takes several steps is interrupted by everything else. */
#ifdef FO_TEST_FAULTS
enum { FO_BATCH_MAX = 3, FO_COMMIT_LOAD = 12, FO_COMMIT_MANY = 20, FO_STEP_MAX = 2, FO_EXPIRE_MAX = 2, FO_SCAN_MAX = 6,
       FO_JUDGE_MAX = 3, FO_ANSWER_MAX = 1, FO_OPEN_AHEAD = 8 };
#else
enum {
    FO_BATCH_MAX = 8192,   /* bindings in one commit of the store */
    FO_COMMIT_LOAD = 16,   /* changes in FO_COMMIT_DELAY_MS with which a commit waits longer */
    FO_COMMIT_MANY = 512,  /* changes of a pool that do not wait for the delay of a commit: a balance
                              or an UPDREQ makes many */
    FO_STEP_MAX = 1024,    /* bindings touched in one step of a balance or walk */
    FO_EXPIRE_MAX = 128,   /* leases ended in one step: each costs some 16 us */
    FO_JUDGE_MAX = 512,    /* updates judged in one step, and a BNDUPD more; each costs some us */
    FO_ANSWER_MAX = 64,    /* BNDACKs said in one */
    FO_SCAN_MAX = 4096,    /* bits passed over in one search for something to send */
    FO_OPEN_AHEAD = 256,   /* addresses of a pool kept ready in open groups */
};
#endif

/* An acknowledgement of the partner's that waits for its turn. */
struct fo_deferred {
    struct fo_deferred *next;
    struct fo_acknowledgement ack;
    uint8_t text[100];
};

/* A BNDUPD received, on its way to its BNDACK. */
struct fo_inbound {
    struct fo_inbound *next;
    uint32_t xid;
    size_t count;     /* transactions */
    size_t done;      /* of them judged */
    bool saving;      /* all rows are written; durable with `epoch` */
    uint64_t epoch;
    struct fo_deferred *acks, **acks_tail; /* came after it, and wait until it is judged */
    struct fo_verdict verdicts[FO_UPDATES_MAX];
    bool crossing[FO_UPDATES_MAX]; /* it had not acknowledged all of ours when it came */
    struct fo_update *updates; /* in `bytes`, whose strings they point into */
    uint8_t *bytes;
};

/* Over all records, by UPDREQALL (requested.c). */
struct fo_walk {
    bool on;
    bool all;
    bool doubts;       /* the partner has lost its store */
    uint32_t from, to; /* records */
};

/* Of what an older copy of the store says (rolled_back.c). */
struct fo_forgetting {
    bool on;           /* the bindings are being forgotten ... */
    bool begun;        /* ... now; before, that this is so is not stored yet, or a query is under way */
    bool rows;         /* ... and, when the partner has told all, rows of those that are no more go */
    uint64_t epoch;    /* with which it is stored */
    uint32_t from, to; /* records */
};

struct fo_relationship {
    struct fo_service *service;
    int index;
    struct fo_config_relationship config;
    struct fo_endpoint endpoint;
    fo_connection connection; /* of the session, 0: none */
    fo_connection attempt;    /* TCP connection being made */
    struct fo_digest digest;  /* type FO_DIGEST_NONE: messages are not signed */
    bool record_dirty, record_saving;
    struct fo_endpoint_record saved_record; /* as it was when the epoch that saves it began */
    bool alone;               /* started without partner after longer than MCLT (rule of safety 9) */
    bool leaving;             /* answers no client, and says SHUTDOWN when all is said */
    bool maintenance;         /* leaving, or shut down, until it is cancelled */
    int64_t leave_until;      /* ms: then it is not waited for longer */
    bool forgotten;           /* its bindings are, and the partner has not told all again */
    struct fo_forgetting forgetting;
    size_t send_pool;         /* where the search for updates goes on */
    uint32_t send_bit;
    bool send_held;           /* FO_SEND_AHEAD bytes wait */
    struct fo_walk walk;
    struct {
        fo_connection connection; /* 0: none is under way */
        uint32_t from, latest;
    } past_walk;              /* for the end of promises under a larger MCLT */
    uint64_t requested;       /* bits set in `requested` of all its pools */
    struct fo_inbound *inbound, *inbound_last; /* BNDUPDs in their order */
    int64_t rejected_retry_at;
    int64_t pools_told_at;    /* ms: when the pools of either server were news, the last time */
    uint64_t updates_refused, queries_dropped, clients_refused;
    int64_t no_address_logged;
    int64_t outside_ours_logged, outside_partners_logged; /* addresses of no pool here, or there */
    bool met;                 /* has been in contact since the start */
    bool removed;             /* is being: a configuration does not have it any more */
    int64_t clock_warning_at; /* ms, not before */
    int64_t names_logged;     /* DNS is the partner's business alone */
    struct fo_rejected last_rejected; /* of our updates, by the partner */
    int64_t bootp_logged;     /* a BOOTP client without reservation was refused */
    int64_t rival_until;      /* ms: the partner has just said that it is primary, too */
    int64_t rival_logged, silence_logged, stranger_logged;
    bool pools_differ, mode_differs, hash_input_differs; /* from the partner's, as far as is known */
    uint32_t lapses_from;     /* PARTNER-DOWN: the next record to look at; UINT32_MAX: all were */
    int64_t interrupted_at;   /* ms, COMMUNICATIONS-INTERRUPTED as far as this server saw; 0: is not */
    int64_t auto_refused_logged;
};

struct fo_pending_connection {
    fo_connection connection; /* 0: free */
    uint32_t local, remote;
    uint16_t port;
    int64_t deadline;
    size_t fill;
    uint8_t frame[FO_MESSAGE_MAX];
};

struct fo_listener {
    uint32_t address;
    uint16_t port;
    bool listening, wanted;
    int64_t retry_at, failure_logged;
    int error; /* errno of the last attempt */
};

struct fo_subnet_entry {
    uint32_t id, network;
    int relationship; /* -1: not governed */
};

struct fo_service {
    const struct fo_env *env;
    struct fo_table table;
    struct fo_relationship **relationships;
    size_t relationship_count;
    struct fo_config config;
    struct fo_subnet_entry *subnets; /* sorted by id */
    size_t subnet_count;
    bool ungoverned;       /* there are subnets of no relationship: they pass */
    bool reservations;
    bool names;            /* Kea updates DNS */
    bool configured, suspended, stopping, stop_said;
    uint32_t decline_probation;
    /* clock: seconds since 1970 anchored at start, moved by boot time alone (rule of safety 11) */
    int64_t anchor_boot, anchor_wall; /* ms */
    /* store */
    uint64_t epoch_open;    /* changes now belong to this epoch */
    uint64_t epoch_durable; /* this one and all before are durable */
    bool committing, store_failing, dirty, meta_dirty;
    bool saving_epoch;      /* `saving` bits are being written */
    bool stop_saving;       /* `stop_said` as it was when that epoch began */
    bool urgent;            /* a state or a stop waits: commit without delay */
    int64_t commit_at;      /* ms, the present batch; from `dirty` on */
    int64_t commit_retry_at, commit_began;
    char store_error[64];   /* while store_failing: why ... */
    uint32_t failing_since; /* ... and since when, seconds */
    int64_t stamp_at;
    struct fo_store_batch batch;
    struct fo_store_write *writes;
    size_t write_count, write_capacity;
    uint8_t *arena;
    size_t arena_used, arena_capacity;
    uint32_t taken[FO_BATCH_MAX]; /* addresses in the batch under way */
    size_t taken_count;
    struct fo_stored_record {
        char name[FO_NAME_MAX + 1];
        struct fo_endpoint_record record;
    } *stored_records;
    size_t stored_record_count;
    /* With whom addresses are shared, by ranges in their order (shares.c); of addresses that are in no
       pool now, with whom they were. */
    struct fo_shares {
        struct fo_share {
            uint32_t first, last;
            uint64_t party;
        } *shares;
        size_t count;
    } shares;
    bool shares_dirty, shares_saving;
    bool fresh_store;       /* nothing was stored: every row of Kea's becomes ACTIVE */
    bool after_power_cut, same_boot, orderly;
    /* When Kea's rows were compared with all bindings, so that the store has what they said (reconcile.c): what it
       says of the time before, under way, done in this run, in the commit under way. */
    struct fo_compared {
        uint32_t at;    /* seconds: rows of before that were looked at; 0: not yet; FO_COMPARED_NOTHING */
        uint64_t pools; /* a hash of them */
    } compared_before, comparing, compared, compared_saving;
    bool rows_missed;      /* memory ran out while rows are compared, which is to be done again */
    bool compared_durable; /* that of this run is in the store */
    uint32_t last_stamp;    /* seconds, when this server last ran, 0: unknown */
    uint32_t away_since;    /* the same, or since when Kea was without the library in this run */
    uint32_t stamp_saving, stamp_durable; /* of this run, in the commit under way and stored */
    uint32_t quarantine_until; /* seconds, 0: none; after a power cut, of all relationships */
    uint32_t forgotten_until;  /* the same of those whose store was lost (forgot_until), which say it themselves */
    /* What partners that have lost their stores promised (doubts.c): `doubted` addresses are left. */
    struct fo_doubts {
        bool on;
        bool moved;    /* pools have changed meanwhile: they may be in any relationship */
        uint32_t mclt; /* under which that was promised */
        uint32_t saving; /* `mclt` where `moved` when the epoch that is being saved began, else 0 */
        uint32_t stored; /* at a start: what the store says of the run before */
        size_t part;   /* the next to look at */
        uint32_t bit;
    } doubts;
    char loaded_error[FO_CONFIG_ERROR_MAX];
    int64_t watch_again_at; /* ms, not before */
    /* rows */
    int64_t rows_resume_at;
    int64_t row_failed_logged;
    bool rows_wanted, rows_moved;
    bool rows_urgent;          /* some of this slice were waited for */
    bool queried;              /* a query has come since the last slice of rows */
    struct fo_row_search {
        uint32_t pool, bit;
    } row_next, row_later_next; /* where the search goes on */
    uint64_t adopted, corrected, removed; /* by the reconciliation */
    struct fo_bitmap *seen; /* by pool: a row was shown */
    size_t seen_count;
    /* network */
    struct fo_pending_connection pending[FO_PENDING_MAX];
    struct fo_listener *listeners;
    size_t listener_count;
    int64_t stranger_logged, crowd_logged;
    int64_t suspend_until, stop_until;
    /* watchdogs; nothing is watched before Kea's first pulse */
    int64_t pulse_at, pulse_asked_at; /* ms: when its main thread was last seen to run, and asked */
    int64_t stale_until;              /* ms: what is read until then may have waited in Kea's socket */
    const char *kea_idle;             /* why it answered no clients then, or NULL */
    int64_t step_due_at;              /* ms: when our own thread was to run next */
    const char *paused;               /* why clients are not served and partners know, or NULL */
    uint32_t paused_since;
};

#endif
