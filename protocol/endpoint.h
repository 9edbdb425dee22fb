/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * One relationship's brain (draft sections 5.1.1, 7, 8.2, 9): it ties state, session, binding
 * updates in flight and the bookkeeping of UPDREQ and UPDREQALL.
 *
 * Driven in one way only: connected / received / lost / timer / stored / changed go in; what is to
 * be done comes out through fo_endpoint_host. The bindings themselves are the host's: the endpoint
 * asks for the next update to send and hands over those received.
 *
 * The rule "durable before it is said": a STATE message leaves only after fo_endpoint_stored, and
 * a BNDACK only when the host calls fo_endpoint_acknowledge.
 */
#ifndef FO_PROTOCOL_ENDPOINT_H
#define FO_PROTOCOL_ENDPOINT_H

#include "protocol/session.h"

enum {
    /* Transactions in one BNDUPD of ours: as many as a frame holds of usual size; bounds what must
       be remembered of those in flight. */
    FO_UPDATES_SENT_MAX = 32,
    FO_REJECT_BACK_OFF_MS = 60000, /* 7.9: "wait a minute or two" after a reject */
    FO_RETRY_MAX_MS = 60000,       /* attempts to connect are never rarer than this */
    FO_FRESH_ATTEMPT_MS = 1000,    /* a stimulus ends a TCP attempt that is older: who calls was not
                                      there when it began */
    FO_UPDATE_REQUEST_MS = 120000, /* 9.5.2: UPDREQ without a BNDUPD or UPDDONE for so long, while none of the
                                      partner's waits for our answer: drop */
    FO_SIGN_OF_LIFE_MS = 180000,   /* a partner that refuses us, or we it, tries again within a minute
                                      or two: so long it counts as alive though there is no connection */
    FO_COUNT_MS = 60000,           /* how often `connections` moves while a connection lasts: no older is
                                      a copy of the store that could pass for the store itself */
    FO_POOLREQ_MS = 60000,         /* 7.7.2: POOLREQ is repeated after an answer that moved addresses */
    FO_POOLREQ_LEAST_MS = 1000,    /* at most so often when this server has to refuse clients */
};

/* What survives a restart. */
struct fo_endpoint_record {
    uint8_t state; /* enum fo_state, FO_STATE_NONE: no record */
    uint8_t partner_state;
    bool first_time;        /* the partner said that it has never spoken with us, nor had we (9.6.2) */
    bool need_all;          /* this store knows nothing of the partner: UPDREQALL (9.5.2) */
    bool update_all_owed;   /* UPDREQALL received, UPDDONE not yet sent (7.4.2) */
    bool forgetting;        /* this store is an older copy, and the host has not forgotten all of it yet */
    uint32_t state_since;   /* seconds since 1970, our clock, as all times here */
    uint32_t partner_state_since;
    uint32_t wait_until;    /* RECOVER-WAIT ends (9.6.2); PARTNER-DOWN: the partner's free addresses
                               are this server's, too (9.4.2) */
    uint32_t mclt;          /* in force, seconds */
    uint32_t last_contact;  /* last message of the partner */
    uint32_t last_operational; /* at start: when this server last ran, 0: unknown (9.3.2, 9.6.2) */
    /* A count of ours that moves with each connection, and while it lasts; and the partner's, as it was
       last told. Only what is durable is told, so a partner that remembers more of ours than we do has
       spoken with a later state of this store (5.16, rule of safety 10). */
    uint32_t connections;
    uint32_t partner_connections; /* 0: it has never spoken with us */
    uint8_t secondary_buckets[FO_HBA_SIZE]; /* in force */
    /* Secondary, with a digest: the latest time and the highest count of connections that an authentic
       CONNECT had (11.1). The time is the partner's clock. */
    uint32_t connect_time;
    uint32_t connect_count;
    /* 0, or when this server was shut down by command; until it has its partner's bindings again, or
       knows that it needs none (9.14.1: "MUST record the current time as the last time operational") */
    uint32_t shut_at;
    /* Rule of safety 12: a larger MCLT than the present, and until when leases promised under it may
       run; UINT32_MAX: until contact the partner may promise more. 0: none. */
    uint32_t past_mclt;
    uint32_t past_until;
    /* Rule of safety 9: 0, or since when this server was away before it served alone, as one that may have
       been declared down. Until nothing is open between the two, also over restarts. */
    uint32_t away_since;
    /* 0, or until when leases may run that this server gave, and has forgotten, though it is back without a
       RECOVER-WAIT, by way of POTENTIAL-CONFLICT or PARTNER-DOWN. */
    uint32_t forgot_until;
};

struct fo_endpoint_settings {
    struct fo_session_settings session; /* connection numbers are filled by the endpoint */
    uint32_t startup_delay;       /* seconds in STARTUP without partner */
    uint32_t connect_retry_delay; /* seconds, grows to 60 */
};

/* A transaction to be sent, with the generation it speaks of (rule of safety 3). */
struct fo_outgoing {
    struct fo_update update;
    uint32_t generation;
};

/* The partner's verdict of one binding. */
struct fo_acknowledgement {
    uint32_t address;
    uint32_t generation;
    uint32_t potential_expiration; /* as it was sent */
    int64_t sent;                  /* when, ms */
    uint8_t reject_reason;         /* FO_REJECT_NONE: accepted */
    struct fo_bytes text;
};

/* Our verdict of one binding received. */
struct fo_verdict {
    uint32_t address;
    enum fo_reject_reason reject; /* FO_REJECT_NONE: accepted */
};

/* What the operator should know; the host makes messages of it. */
enum fo_note {
    FO_NOTE_STATE,         /* our state changed; detail: why */
    FO_NOTE_PARTNER_STATE, /* the partner's state changed */
    FO_NOTE_CONNECTED,
    FO_NOTE_ATTEMPT_FAILED, /* no connection; detail: why */
    FO_NOTE_LOST,           /* an established connection ended; detail: why */
    FO_NOTE_REJECTED,       /* the partner rejected us; detail: why */
    FO_NOTE_REFUSED,        /* we refused its CONNECT; detail: why */
    FO_NOTE_NOT_AUTHENTIC,  /* a message is not the partner's, or the secrets differ; detail: why */
    FO_NOTE_PROTOCOL,       /* we closed for an error of the protocol; detail: which */
    FO_NOTE_MCLT,           /* the primary's MCLT differs from ours */
    FO_NOTE_BUCKETS,        /* its division too */
    FO_NOTE_POOLS,          /* the partner told its pools */
    FO_NOTE_SERVING,        /* ... how it serves clients, or did not */
    FO_NOTE_REQUEST_SENT,   /* detail: "UPDREQ" or "UPDREQALL" */
    FO_NOTE_REQUEST_RECEIVED,
    FO_NOTE_REQUEST_DONE,
    FO_NOTE_SHUTDOWN,    /* the partner has taken over; detail: or why it may have not, else empty */
    FO_NOTE_ROLLED_BACK, /* the partner knows a later state of this store */
    FO_NOTE_RECOVER_WAIT,
};

struct fo_endpoint;

#define FO_MARKED_LATER UINT32_MAX

struct fo_endpoint_host {
    void *context;
    bool (*send)(void *context, const uint8_t *frame, size_t length);
    void (*connect)(void *context);    /* begin a TCP connection; with a digest, give a new nonce */
    /* Close the attempt, or the session's connection once what was sent is written. */
    void (*disconnect)(void *context, bool attempt);
    void (*store)(void *context);      /* the record changed; fo_endpoint_stored once durable */
    /* The next binding that the partner has not acknowledged and that is durable, at most `room`
       bytes in a frame; `requested` : only those marked by updates_requested. The host remembers
       that it is in flight. */
    bool (*next_update)(void *context, bool requested, size_t room, struct fo_outgoing *update);
    void (*acknowledged)(void *context, const struct fo_acknowledgement *acknowledgement);
    void (*updates_lost)(void *context); /* nothing is in flight any more */
    /* A BNDUPD came; answer by fo_endpoint_acknowledge with this xid when all is durable. */
    void (*received)(void *context, const struct fo_message *message);
    /* The partner has lost its bindings (UPDREQALL): what it may have promised, nobody knows now. */
    void (*partner_forgot)(void *context);
    /* This store is an older copy: what it says of bindings is not true any more, nor whose a free
       address is. Then fo_endpoint_forgot. */
    void (*forget)(void *context);
    /* UPDREQ, or UPDREQALL where `all`: marks what is to be sent before UPDDONE; how many, or
       FO_MARKED_LATER: fo_endpoint_marked says it. */
    uint32_t (*updates_requested)(void *context, bool all);
    bool (*requested_left)(void *context); /* is any of them not answered yet? */
    uint32_t (*pool_requested)(void *context); /* POOLREQ: addresses handed over because of it */
    void (*entered)(void *context, enum fo_state from); /* the state changed */
    void (*note)(void *context, enum fo_note note, const char *detail);
};

struct fo_in_flight {
    uint32_t xid; /* 0: free */
    uint32_t count;
    int64_t sent; /* ms */
    struct {
        uint32_t address, generation, potential;
        bool forgotten; /* by the host, whom the answer does not concern any more */
    } items[FO_UPDATES_SENT_MAX];
};

struct fo_endpoint {
    struct fo_endpoint_settings settings;
    struct fo_endpoint_host host;
    struct fo_endpoint_record record;
    struct fo_session session;
    bool starting;          /* in STARTUP: the recorded state is the previous state (9.3) */
    bool fresh;             /* it started with a store that has not met the partner: lost, not an older copy */
    bool stop_unknown;      /* ... and so may be a copy of such a one: when it last ran, it cannot tell (9.6.2) */
    bool stopping;          /* PAUSED was said */
    bool shut;              /* SHUTDOWN by command; record.state is the state before it */
    bool communicating;     /* a STATE came over this connection (8.3) */
    bool attempting;        /* a TCP connection is being made */
    bool state_unsaid;      /* the partner is to hear our state once it is durable */
    bool partner_starting;  /* its STARTUP flag */
    bool partner_alone;     /* it is PARTNER-DOWN, or was when it said PAUSED or SHUTDOWN */
    bool pool_request_due;
    bool pools_unsaid;      /* the partner is to hear of our new pools */
    bool serving_unsaid;    /* ... of how we serve clients now */
    bool count_unsaid;      /* and of our count, once it is durable */
    bool closing;           /* we close because the operator wants it */
    int64_t startup_deadline; /* ms */
    int64_t attempt_at;       /* ms, next attempt to connect */
    int64_t retry_delay;      /* ms */
    int64_t request_deadline; /* ms, 0: no UPDREQ outstanding; counts while `inbound` is 0 */
    int64_t shut_deadline;    /* ms, 0: the partner's answer to SHUTDOWN is not waited for */
    int64_t count_at;         /* ms, while communicating: our count moves */
    int64_t pool_request_at;  /* ms, not before */
    int64_t pool_request_sent; /* ms, the last POOLREQ */
    uint32_t request_xid;     /* of our UPDREQ or UPDREQALL, 0: none */
    uint32_t pool_request_xid;
    uint32_t partner_request_xid; /* of the partner's, 0: none */
    uint8_t partner_request_type; /* UPDREQ or UPDREQALL */
    bool partner_request;
    bool marking;             /* the host marks what the partner has asked for */
    bool marking_all;         /* ... and has been told that the partner forgot */
    uint32_t inbound;         /* BNDUPDs not yet acknowledged by us */
    uint32_t failures;        /* connections ended by an error in a row */
    uint32_t started;         /* seconds, when this server started */
    uint32_t connect_said;    /* seconds, in our last CONNECT */
    int64_t sign_of_life;     /* ms, the partner's last one without a connection, 0: none */
    struct fo_in_flight in_flight[FO_WINDOW_MAX];
    uint32_t in_flight_count;
    uint64_t updates_sent, updates_received, updates_rejected;
    uint32_t ack_ms, ack_longest_ms; /* from BNDUPD to BNDACK: the last, the longest of the connection */
    struct fo_session_end last_end; /* why there is no connection, or was none */
    uint32_t last_end_at;           /* seconds, 0: never */
    struct fo_message outgoing;
};

/* Starts in STARTUP with the stored record (9.3.2), or one with FO_STATE_NONE. */
void fo_endpoint_start(struct fo_endpoint *endpoint, const struct fo_endpoint_settings *settings,
                       const struct fo_endpoint_host *host,
                       const struct fo_endpoint_record *record, const struct fo_now *now);

/* The TCP connection that host.connect began stands, or failed. */
void fo_endpoint_connected(struct fo_endpoint *endpoint, const struct fo_now *now);
void fo_endpoint_attempt_failed(struct fo_endpoint *endpoint, const char *reason,
                                const struct fo_now *now);
/* The record's last contact is that of the connection, whose CONTACT messages come no farther. */
void fo_endpoint_keep_contact(struct fo_endpoint *endpoint);
/* There is no connection for a reason that was found elsewhere: only to be remembered. */
void fo_endpoint_failed_by(struct fo_endpoint *endpoint, const char *why, const struct fo_now *now);
/* The same after fo_endpoint_admit has refused a CONNECT: the next attempt waits (7.9). */
void fo_endpoint_not_admitted(struct fo_endpoint *endpoint, enum fo_reject_reason reason,
                              const char *why, const struct fo_now *now);
/* Secondary: is this CONNECT (in its frame) the partner's, and a new one (11.1)? To be asked before an
   older connection is given up for it. FO_REJECT_NONE, or the reason, with a text. */
enum fo_reject_reason fo_endpoint_admit(struct fo_endpoint *endpoint,
                                        const struct fo_message *connect, const uint8_t *frame,
                                        size_t length, char *text, size_t size);
/* A connection from the partner with its CONNECT; an older one must have been reported lost; with a
   digest, the settings have a new nonce. False: refused, close it. */
bool fo_endpoint_accept(struct fo_endpoint *endpoint, const struct fo_message *connect,
                        const struct fo_now *now);
/* The secondary asks the primary to connect (8.2). */
void fo_endpoint_stimulated(struct fo_endpoint *endpoint, const struct fo_now *now);
void fo_endpoint_received(struct fo_endpoint *endpoint, const uint8_t *data, size_t length,
                          const struct fo_now *now);
/* The session's connection is gone. */
void fo_endpoint_lost(struct fo_endpoint *endpoint, const char *reason, const struct fo_now *now);
/* Everything that host.store announced so far is durable. */
void fo_endpoint_stored(struct fo_endpoint *endpoint, const struct fo_now *now);
/* Bindings changed, became durable, or their rows are gone: there may be something to send. */
void fo_endpoint_pump(struct fo_endpoint *endpoint, const struct fo_now *now);
/* The host's addresses are others now. It is asked of each that is in flight whether it still knows it;
   where not, the acknowledgement will not be passed on, even if the address comes back meanwhile: it
   may have been sent once more then, and changed. */
void fo_endpoint_sift(struct fo_endpoint *endpoint,
                      bool (*known)(void *context, uint32_t address));
/* Answers a BNDUPD. */
void fo_endpoint_acknowledge(struct fo_endpoint *endpoint, uint32_t xid,
                             const struct fo_verdict *verdicts, size_t count,
                             const struct fo_now *now);
/* All of the older copy is forgotten, and the partner may tell what it knows. */
void fo_endpoint_forgot(struct fo_endpoint *endpoint, const struct fo_now *now);
/* What the partner asked for is marked, so many bindings: they are sent now. */
void fo_endpoint_marked(struct fo_endpoint *endpoint, uint32_t count, const struct fo_now *now);
/* This server (secondary) runs short of addresses: POOLREQ, at most every few seconds. */
void fo_endpoint_request_pool(struct fo_endpoint *endpoint, const struct fo_now *now);
/* New parameters; what the handshake tells of them takes effect with the next connection. */
void fo_endpoint_set(struct fo_endpoint *endpoint, const struct fo_endpoint_settings *settings);
/* The addresses of the relationship, which fo_endpoint_set leaves as they are: the partner is told
   where they change. */
void fo_endpoint_set_pools(struct fo_endpoint *endpoint, const struct fo_ranges *pools);
/* The partner is known to be down since `since` (seconds, not before its last message): PARTNER-DOWN
   (9.4), by an operator or after the configured time. */
void fo_endpoint_partner_down(struct fo_endpoint *endpoint, uint32_t since, const char *why,
                              const struct fo_now *now);
/* Seconds: from when on all addresses are this server's, were the partner down since `since` (9.4.2). */
uint32_t fo_endpoint_all_ours_at(const struct fo_endpoint *endpoint, uint32_t since);
/* Whether the partner is demonstrably alive: in contact, or refused, or refusing, a short time ago. */
bool fo_endpoint_partner_lives(const struct fo_endpoint *endpoint, const struct fo_now *now);
/* Tells the partner PAUSED and closes; no attempt to connect follows (9.13). */
void fo_endpoint_pause(struct fo_endpoint *endpoint, const struct fo_now *now);
/* Shuts down (9.14), while there is contact: serves nobody, tells the partner, and connects no more. */
void fo_endpoint_shut_down(struct fo_endpoint *endpoint, const struct fo_now *now);
/* ... until this, or a restart. */
void fo_endpoint_come_back(struct fo_endpoint *endpoint, const struct fo_now *now);
/* After that, or where time has passed unseen since `last_operational`: everything is as after a start,
   by a new connection and through STARTUP (9.3). */
void fo_endpoint_resume(struct fo_endpoint *endpoint, uint32_t last_operational, const char *why,
                        const struct fo_now *now);
/* What kept the two from connecting may be mended: the next attempt is made at once. */
void fo_endpoint_retry(struct fo_endpoint *endpoint, const struct fo_now *now);
/* Closes the connection in order because the operator wants it; a new one is made at once. */
void fo_endpoint_close(struct fo_endpoint *endpoint, enum fo_reject_reason reason, const char *text,
                       const struct fo_now *now);

void fo_endpoint_timer(struct fo_endpoint *endpoint, const struct fo_now *now);
int64_t fo_endpoint_deadline(const struct fo_endpoint *endpoint, const struct fo_now *now);

/* The MCLT that waits count with: the largest under which a lease may still run. What is promised counts
   with record.mclt. */
uint32_t fo_endpoint_lead_time(const struct fo_endpoint *endpoint);

/* The state that decides about clients: STARTUP while starting. */
enum fo_state fo_endpoint_state(const struct fo_endpoint *endpoint);

#endif
