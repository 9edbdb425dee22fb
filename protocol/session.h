/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * One TCP connection to the partner (draft section 8): framing, the CONNECT/CONNECTACK handshake
 * of both roles (7.8, 7.9), tSend and tReceive (8.3), the clock difference (5.10), DISCONNECT.
 *
 * It owns no socket and no clock. Bytes and the time go in; frames for the partner and decoded
 * messages come out through fo_session_host. A session begins anew with each connection.
 */
#ifndef FO_PROTOCOL_SESSION_H
#define FO_PROTOCOL_SESSION_H

#include "protocol/dialect.h"
#include "protocol/digest.h"
#include "protocol/message.h"
#include "protocol/ranges.h"

/* The time, given to every call: boot milliseconds for waits (never steps), and seconds since 1970
   of the service's clock for what is said to the partner. */
struct fo_now {
    int64_t ms;
    uint32_t seconds;
};

enum {
    FO_HANDSHAKE_MS = 15000, /* CONNECT or CONNECTACK must come within this (7.8.2, 7.9.2) */
    FO_WINDOW_MAX = 600,     /* BNDUPDs in flight, whatever the partner allows: 18,000 bindings, which keep
                                a partner busy through 100 ms of round trip and as many until it commits */
    FO_WINDOW_TOLD_MAX = 99, /* in max-unacked-bndupd (7.8.1: "less than 100"); only one of us is told more */
    FO_RECEIVE_TIMER_MAX = 3600, /* a partner's larger wish for our CONTACTs is cut to this */
    FO_CLOCK_WINDOW_MS = 300000, /* the clock difference is the least of so long: a dozen CONTACTs */
    FO_MCLT_MAX = 30 * 86400,    /* seconds; a larger one in CONNECT is refused (reason 5) */
};

enum fo_session_phase {
    FO_SESSION_CLOSED,
    FO_SESSION_CONNECT_SENT, /* primary, waits for CONNECTACK */
    FO_SESSION_ESTABLISHED,  /* CONNECTACK accepted or sent without reject-reason */
};

/* Why a session ended: a reject reason of 12.21 and words. */
struct fo_session_end {
    enum fo_reject_reason reason;
    bool by_partner; /* it rejected or disconnected */
    char text[320];
};

/* How a server chooses the clients that it serves, beside the division; told between two of us. */
enum { FO_MODE_LOAD_BALANCING = 1, FO_MODE_HOT_STANDBY = 2 };
enum { FO_HASH_IDENTIFIER = 1, FO_HASH_HARDWARE = 2 };

struct fo_serving {
    uint8_t mode;       /* 0: not told */
    uint8_t hash_input; /* of a client's bucket */
};

/* What we say in CONNECT or CONNECTACK. */
struct fo_session_settings {
    const struct fo_dialect *dialect;
    const char *relationship_name;
    const char *vendor_class;
    bool primary;
    uint8_t secondary_buckets[FO_HBA_SIZE]; /* primary: the division it imposes */
    uint32_t mclt;                          /* primary: the MCLT it imposes, seconds */
    uint32_t max_unacked;                   /* BNDUPDs we accept unacknowledged of one of us; of others
                                               FO_WINDOW_TOLD_MAX at most */
    uint32_t receive_timer;                 /* seconds without a message: the connection is dead */
    uint32_t contact_interval;              /* seconds; 0: a third of the partner's receive timer */
    uint32_t max_clock_skew;                /* seconds; 0: any difference is accepted */
    const struct fo_digest *digest;         /* all messages are signed (11.1); NULL: none may be */
    uint8_t nonce[FO_NONCE_SIZE];           /* with a digest: random, of this connection alone */
    /* Sent between two of us in vendor-specific-options (rule of safety 10): our count of connections,
       and the count that we remember of the partner (struct fo_endpoint_record). */
    uint32_t own_connections;
    uint32_t partner_connections;
    uint32_t lead_time;     /* the largest MCLT that leases may have been promised under, or 0 */
    struct fo_ranges pools; /* the addresses of this relationship, told in the same way */
    struct fo_serving serving;
};

enum { FO_TOLD_POOLS = 1, FO_TOLD_COUNT = 2, FO_TOLD_SERVING = 4 };

/* What the partner said in CONNECT or CONNECTACK; of its pools and how it serves, the latest. */
struct fo_session_partner {
    uint32_t max_unacked;                   /* BNDUPDs it accepts unacknowledged */
    uint32_t receive_timer;
    uint32_t mclt;                          /* from CONNECT */
    uint8_t secondary_buckets[FO_HBA_SIZE]; /* from CONNECT, turned to the draft's meaning */
    bool own_kind; /* it is one of us: its vendor-specific options are ours */
    bool tells_pools;
    bool gives_nonce;        /* secondary: CONNECT had one */
    bool counts_connections; /* the two below were sent */
    uint32_t own_connections;     /* its own count */
    uint32_t partner_connections; /* what it remembers of ours; 0: it has never spoken with us */
    uint32_t lead_time;           /* a larger MCLT than the present, of leases that may run still; 0: not told */
    uint8_t told;                 /* in the message just received: bits of FO_TOLD_ */
    uint32_t told_connections;    /* FO_TOLD_COUNT: its own count */
    struct fo_ranges pools;       /* where tells_pools */
    struct fo_serving serving;
};

struct fo_session_host {
    void *context;
    /* A frame for the partner. False where it cannot be queued: the session then ends. */
    bool (*send)(void *context, const uint8_t *frame, size_t length);
    /* CONNECTACK was accepted (primary). */
    void (*established)(void *context, const struct fo_now *now);
    /* A message other than of the handshake, CONTACT and DISCONNECT; a CONTACT by which the partner
       told something (struct fo_session_partner), too. It may call fo_session_close. Its byte strings live until it
       returns. */
    void (*received)(void *context, const struct fo_message *message, const struct fo_now *now);
    /* The session has ended, by whichever side; the connection is to be closed once what was sent
       is written. Called once a session. */
    void (*ended)(void *context, const struct fo_session_end *end, const struct fo_now *now);
};

struct fo_session {
    struct fo_session_settings settings;
    struct fo_session_host host;
    struct fo_session_partner partner;
    enum fo_session_phase phase;
    uint32_t next_xid;
    uint32_t connect_xid;
    int64_t handshake_deadline; /* ms */
    int64_t send_deadline;      /* tSend, ms */
    int64_t receive_deadline;   /* tReceive, ms */
    /* Our clock minus the partner's, seconds. A message's way only adds to what it shows, so the least
       of many is the true one: of all since the beginning, and of the last whole window. */
    int32_t delta_least, delta_lately, window_least;
    int64_t window_until; /* ms */
    bool lately_known;
    bool delta_known;
    uint32_t heard; /* seconds, the last message of the partner */
    uint32_t last_xid;  /* with a digest: of the partner's last message that is no response */
    bool last_xid_known;
    bool bound;         /* messages are signed together with `nonces` (handshake.c) */
    uint8_t nonces[2 * FO_NONCE_SIZE]; /* the primary's, the secondary's */
    size_t fill; /* bytes of an unfinished frame in `buffer` */
    uint8_t buffer[FO_MESSAGE_MAX];
    struct fo_message incoming;
};

/* Primary: the TCP connection stands; sends CONNECT. */
void fo_session_connect(struct fo_session *session, const struct fo_session_settings *settings,
                        const struct fo_session_host *host, const struct fo_now *now);

/* Secondary, with a digest: whether this CONNECT, in its frame, comes from a server with our secret.
   FO_REJECT_NONE, or the reason with a text. Nothing of it is believed before. */
enum fo_reject_reason fo_session_admit(const struct fo_session_settings *settings,
                                       const struct fo_message *connect, const uint8_t *frame,
                                       size_t length, char *text, size_t size);
/* Its sender's count of connections; false where it does not say. */
bool fo_session_count_of(const struct fo_session_settings *settings,
                         const struct fo_message *connect, uint32_t *connections);

/* Secondary: `connect` is the decoded first message of a new connection, for this relationship.
   Sends CONNECTACK; true where the session is established. Where the partner is refused, `end`
   says why (host.ended is not called) and the connection is to be closed after writing. */
bool fo_session_accept(struct fo_session *session, const struct fo_session_settings *settings,
                       const struct fo_session_host *host, const struct fo_message *connect,
                       const struct fo_now *now, struct fo_session_end *end);

/* Refuses a CONNECT: writes a CONNECTACK with `reason` into `frame` (FO_MESSAGE_MAX bytes), signed
   where `digest` is that of its relationship; NULL: it has none, or belongs to no relationship. Returns
   its length. */
size_t fo_session_refuse(const struct fo_dialect *dialect, const struct fo_digest *digest,
                         const struct fo_message *connect, enum fo_reject_reason reason,
                         const char *text, uint32_t seconds, uint8_t *frame);

/* Bytes from the partner, any number of frames or parts of one. */
void fo_session_receive(struct fo_session *session, const uint8_t *data, size_t length,
                        const struct fo_now *now);

/* Sends a message of an established session; `message->time` is filled, and its xid too unless
   `response` is true. Returns the xid, or 0 where the session ended meanwhile. */
uint32_t fo_session_send(struct fo_session *session, struct fo_message *message, bool response,
                         const struct fo_now *now);

/* Tells a partner of our own kind that the pools are different now: a CONTACT carries them. */
void fo_session_tell_pools(struct fo_session *session, const struct fo_ranges *pools,
                           const struct fo_now *now);

/* The same of how we serve clients, and of our count of connections. */
void fo_session_tell_serving(struct fo_session *session, const struct fo_serving *serving,
                             const struct fo_now *now);
void fo_session_tell_count(struct fo_session *session, uint32_t connections,
                           const struct fo_now *now);

/* How many BNDUPDs the partner may have sent unacknowledged: what it was told in the handshake. */
uint32_t fo_session_window(const struct fo_session *session);

/* tSend, tReceive and the handshake's limit. */
void fo_session_timer(struct fo_session *session, const struct fo_now *now);
/* Boot milliseconds of the next fo_session_timer; INT64_MAX: none. */
int64_t fo_session_deadline(const struct fo_session *session);

/* Closes in order: DISCONNECT with the reason (7.12), then host.ended. */
void fo_session_close(struct fo_session *session, enum fo_reject_reason reason, const char *text,
                      const struct fo_now *now);
/* The TCP connection is gone; host.ended is called where the session was not over. */
void fo_session_lost(struct fo_session *session, const char *text, const struct fo_now *now);

/* A time of the partner's in our clock (rule of safety 11): what permits is converted by the
   smallest difference seen, what forbids by the largest that the clocks themselves, not the delay of
   single messages, have had lately; that is less than a second short of the true one, since header
   times are whole seconds. 0 (never) stays 0. */
uint32_t fo_session_permits(const struct fo_session *session, uint32_t time);
uint32_t fo_session_forbids(const struct fo_session *session, uint32_t time);

/* An empty message of this type, cheaply: the transactions are left as they are. */
void fo_message_begin(struct fo_message *message, uint8_t type);

#endif
