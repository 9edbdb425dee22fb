/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The stage on which scenarios are played: one server whose partner the scenario plays word for word,
 * or a pair. Servers are the real service in the still environment of tests/unit, with a store that
 * keeps what is committed, a Kea of their own, and a wire between them. Time passes when a statement
 * says so, and never by itself but for the tenths of a second in which an expected message is made.
 *
 *   stage.c       time, wire, trace, what ends a performance
 *   server.c      a server's life: configuration, store, start and end
 *   engine.c      its Kea: queries of clients, lease rows
 *   partner.c     the partner that the scenario plays: what it hears and says
 *   shorthands.c  connect, normal
 *   words.c       what single words mean; fields.c the fields of a message, in words
 *   clients.c     clients, and what they ask
 *   statements.c  what each statement does; checks.c what those do that expect something
 *   coverage.c    what of the draft's tables was played
 */
#ifndef FO_TESTS_SCENARIOS_STAGE_H
#define FO_TESTS_SCENARIOS_STAGE_H

#include "hook/service_internal.h"
#include "tests/scenarios/coverage.h"
#include "tests/scenarios/script.h"
#include "tests/unit/still_env.h"

enum {
    LINKS_MAX = 20, CLIENTS_MAX = 64, POOLS_MAX = 4, ADDRESSES_MAX = 256,
    DISCOVER = 1, REQUEST = 3, DECLINE = 4, RELEASE = 7, INFORM = 8,
};

/* ------------------------------------------------------------------ who is on the stage */

struct client {
    char name[32];
    uint8_t hardware[6], identifier[7];
    bool has_identifier;
    char host_name[44]; /* that its leases have, or empty; one that ends in a dot is in DNS */
    uint32_t address;  /* that it was offered, or has */
    int server;        /* by this one */
    uint32_t reserved; /* 0: no reservation */
};

struct answer {
    enum answer_kind { NO_ANSWER, SILENCE, OFFER, ACK, NAK, PASSES } kind; /* PASSES: Kea goes on with it */
    uint32_t address, length;
    const char *reason; /* SILENCE */
    const struct client *client;
};

struct kea_row {
    enum fo_row_state state;
    const struct client *client; /* NULL: none */
    uint32_t cltt, length;
    char name[44];     /* the host name, or empty */
};

struct server {
    struct still still;     /* first: it is the environment's context */
    struct fo_env env;
    struct fo_service *service; /* NULL: it does not run */
    int number;
    bool primary;
    char parameters[1600];  /* of the relationship, in JSON */
    uint32_t lease, probation; /* as Kea is configured */
    struct fo_pool_range pools[POOLS_MAX];
    size_t pool_count;
    struct stored *stored;  /* what the store keeps */
    struct stored *copy;    /* of it, as a backup makes one */
    const struct fo_store_batch *batch;
    enum fo_state last_state; /* as it last said */
    uint8_t boot;           /* which of the machine's runs */
    bool volatile_rows;     /* persist: false */
    bool listening, rows_wanted, rows_held, disk_full, no_memory;
    bool sign_wanted, hangs; /* a sign of life of Kea's main thread; it gives none */
    bool dhcp_disabled;
    int64_t deadline;       /* boot time of its next step */
    struct kea_row rows[ADDRESSES_MAX]; /* from the first pool's first address on */
    struct kea_row rows_on_disk[ADDRESSES_MAX]; /* as they were when a scenario said that they reached it */
    struct {
        struct client *client; /* NULL: none */
        struct fo_query query;
        struct fo_decision decision;
    } slow;                 /* the query that stopped half-way */
    struct answer answer;   /* to the last query, not yet expected */
    char ordered[512];      /* the answer to an operator's order */
    bool order_done, order_answered;
};

struct stage {
    const struct script *script;
    const struct scenario *scenario;
    const struct row *row;
    const struct line *line;
    bool trace;
    int64_t ms;             /* since the begin */
    struct server servers[2];
    size_t server_count;    /* 2: a pair */
    struct client clients[CLIENTS_MAX];
    size_t client_count;
    bool cut;               /* nothing passes between a pair */
    char *report;
};
extern struct stage stage;

/* ------------------------------------------------------------------ stage.c */
/* The performance ends here: the file, its line, and this. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint32_t seconds_now(void); /* since 1970, true time: of a server whose clock is right */
/* All that is due at this moment happens. */
void settle(void);
void advance(int64_t ms);
void stage_reset(void);

/* The wire. A link's end is a server's number, or 1 where the scenario plays the partner. */
fo_connection wire_call(int from);
void wire_send(int from, fo_connection connection, const uint8_t *data, size_t length);
void wire_close(int from, fo_connection connection);
/* Played: the server's call that waits (false: there is none) stands, or is refused. */
bool wire_answer(bool stands);
/* Whether there was one since it last answered. */
bool wire_called(void);
/* Played: a connection to the server. */
void wire_open(void);
bool wire_played_open(void);
void wire_say(const uint8_t *data, size_t length);
/* Every connection breaks; of a server: its process is gone. */
void wire_break(void);
void wire_process_ends(int number);

/* ------------------------------------------------------------------ server.c */
void server_configure(struct server *server, const struct line *line, size_t from);
void server_start(struct server *server);
void server_reload(struct server *server);
void server_kill(struct server *server);
void server_stop(struct server *server);
void server_lose_store(struct server *server);
void server_back_up(struct server *server);
void server_restore(struct server *server);
void server_free(struct server *server);
/* A step of everything that is due; false: nothing was. */
bool server_act(struct server *server);
struct fo_relationship *server_relationship(struct server *server);
enum fo_state server_state(struct server *server);

/* ------------------------------------------------------------------ engine.c */
/* The query on its way through Kea; `half`: it stops when its binding is claimed. */
void engine_query(struct server *server, struct client *client, const struct fo_query *query,
                  bool half);
void engine_goes_on(struct server *server);
void engine_rows(struct server *server);
void engine_reconcile(struct server *server);
struct kea_row *engine_row(struct server *server, uint32_t address);
struct fo_client identity_of(const struct client *client);
/* What a row, or a message, says of a host name. */
struct fo_details details_of_name(const char *name);

/* ------------------------------------------------------------------ partner.c */
/* What the played partner heard: a message, or one transaction of it. */
struct heard {
    struct heard *next;
    int from;    /* the server that said it */
    bool closes; /* not a message: the server closed the connection */
    size_t left; /* transactions of its message that come after it */
    struct fo_message message; /* its update, if any, in updates[0] */
    uint8_t frame[FO_MESSAGE_MAX];
};

void partner_reset(void);
void partner_hears(int from, const uint8_t *data, size_t length);
/* The server closed a connection: the present one, or an older one. */
void partner_hears_close(bool present);
void partner_loses_connection(void);
/* The next that is not looked at yet, waiting for it a second; NULL: none comes. Free it. */
struct heard *partner_next(void);
/* The same without waiting; it stays where it is. */
const struct heard *partner_waiting(void);
/* Says what the words from `from` on say. */
void partner_says(const struct line *line, size_t from);
void partner_says_bytes(const char *hexadecimal);
/* `agrees`: what is heard is answered without a word of the scenario's, BNDUPDs acknowledged, requests
   granted; `deaf`: it is of no interest; `insists`: it is to be expected. `silent`: no CONTACT is said;
   `alive`. False: no such word. */
bool partner_mode(const char *word);
bool partner_expects(void); /* neither agrees nor is deaf */
bool partner_established(void);
/* A message with its state, or of the handshake, with what partner_set said. */
void partner_says_words(const char *type, const char *state);
bool partner_act(void);
int64_t partner_deadline(void);
void partner_clock(int32_t seconds);
void partner_set(const struct line *line, size_t from);
/* The last update of this address that it heard while agreeing, or NULL. */
const struct heard *partner_told(uint32_t address);
/* In a pair: which messages are noted from now on, 0: none (bits by type). */
void partner_watches(uint32_t types);

/* ------------------------------------------------------------------ shorthands.c */
/* Waits for a connection that the server makes, and takes it. */
void partner_called(void);
/* The handshake; and all the way to NORMAL. */
void partner_connects(void);
void partner_to_normal(void);

/* ------------------------------------------------------------------ words.c */
bool word_is(const struct line *line, size_t at, const char *word);
/* Those fail where it is missing, or is none. */
const char *word_at(const struct line *line, size_t at, const char *what);
uint32_t address_at(const struct line *line, size_t at);
bool number_of(const char *word, int64_t *number);
bool address_of_word(const char *word, uint32_t *first, uint32_t *last);
/* "+60", "-3m", "+2h", "now", "never": a moment, `now` being the clock of whoever speaks. */
bool moment_of(const char *word, uint32_t now, uint32_t *moment);
bool span_of(const char *word, const char *unit, int64_t *ms);
uint8_t state_of_word(const char *word);  /* fails */
uint8_t status_of_word(const char *word); /* 0: it is none */
uint8_t type_of_word(const char *word);   /* 0: it is none */
struct client *client_of_word(const char *word); /* fails */

/* ------------------------------------------------------------------ fields.c */
/* The words from `from` on as a message. Its strings live until the next call. */
void fields_build(const struct line *line, size_t from, struct fo_message *message, uint32_t now);
/* Whether what was heard (of a message with bindings, its first) has all that the words from `from` on
   name; else the word at which it differs. */
bool fields_match(const struct line *line, size_t from, const struct fo_message *message, uint32_t now,
                  const char **differs);
/* In the scenario's words. */
void fields_tell(const struct fo_message *message, uint32_t now, char *text, size_t size);

/* ------------------------------------------------------------------ clients.c, statements.c, checks.c */
void do_clients(struct server *server, const struct line *line, size_t at);
void do_client(struct server *server, const struct line *line, size_t at);
void perform(const struct line *line);
void expect(struct server *server, const struct line *line, size_t from);
/* Nothing is left that nobody expected. */
void nothing_unexpected(void);
void check_state(struct server *server, const struct line *line, size_t from);
void check_binding(struct server *server, const struct line *line, size_t from);
void check_row(struct server *server, const struct line *line, size_t from);
void check_told(struct server *server, const struct line *line, size_t from);
void check_addresses(struct server *server, const struct line *line, size_t from);
void check_log(struct server *server, const struct line *line, size_t from);
void no_unexpected_answer(void);

#endif
