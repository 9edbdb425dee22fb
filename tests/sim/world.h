/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A simulated world: two servers, the network between them, their disks, a stand-in for each
 * server's Kea, and clients. One seed decides everything that happens in it, so that a failing seed
 * replays exactly. The servers run the real hook/ and protocol/, through a struct fo_env of this
 * world; nothing here knows how they decide.
 *
 *   world.c    clock, events, randomness, the trace
 *   network.c  TCP between the servers: delay, cut, half-cut, connections that break
 *   disk.c     stable storage: what was committed survives
 *   server.c   a server's environment and life: start, crash, power cut, reload, orderly stop
 *   topology.c its configuration: pools that come and go, reservations
 *   kea.c      the engine that callouts are called by, packet by packet
 *   kea_rows.c its lease rows, and the main thread's work at them
 *   clients.c  DHCP clients as RFC 2131 has them, and clients that misbehave
 *   oracle.c   the invariants, checked on what clients really hold; with oracle_frames.c, oracle_peace.c
 *   exceptions.c  when, and on which addresses, invariant 1 may be broken
 *   plan.c     what a seed decides of its world
 *   chaos.c    what goes wrong, and when; with operators.c and stores.c
 *   life.c     a life: mishaps, peace, silence
 *   planted.c  faults that must be found
 *
 * True time is in milliseconds from the world's begin. Servers have clocks of their own.
 */
#ifndef FO_TESTS_SIM_WORLD_H
#define FO_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hook/service_internal.h"
#include "protocol/faults.h"

#define FIRST_ADDRESS UINT32_C(0xC0000201) /* 192.0.2.1 */

enum {
    ADDRESSES_MAX = 96,
    CLIENTS_MAX = 96,
    PARTS_MAX = 4,
    CLIENT_WAYS = 2,
    STARTING_SECOND = 1700000000, /* true time 0, in seconds since 1970 */
};

struct world;
struct server;

/* What a life can break; oracle.c says what they are. */
enum invariant {
    INVARIANT_NONE, /* the servers do not even run as they should */
    INVARIANT_HOLDERS,
    INVARIANT_BOUND,
    INVARIANT_OWNERS,
    INVARIANT_STORED,
    INVARIANT_AGREE,
    INVARIANT_WORDS,
};

/* ------------------------------------------------------------------ what a seed decides */

enum layout { ONE_SUBNET, SHARED_NETWORK, TWO_NETWORKS };

struct plan {
    uint32_t addresses, clients;
    uint32_t parts;        /* pools; with more than one, reloads leave one out */
    uint32_t window;       /* max-unacked-updates */
    uint32_t reservations; /* clients 0 .. n-1 have one, in the pool */
    uint32_t mclt, lease, offer_hold, percent, probation; /* seconds */
    uint32_t wishes;       /* of 1000 queries that ask for a lease of their own length */
    uint32_t loss;         /* of 1000 messages between clients and servers */
    uint32_t client_ms;    /* between clients and servers, up to so long */
    bool hurried;          /* each mishap is one of these, and servers are up again soon */
    bool restless;         /* reloads change the division more often */
    bool helpful;          /* interrupted-use-partner-addresses */
    uint32_t auto_down;    /* auto-partner-down, seconds; 0: none */
    bool careless;         /* a server that was declared down may come back where it does not hear of that */
    bool thrifty;          /* each reload of the primary's lowers or raises the MCLT */
    bool fickle;           /* clients that give back are soon there again */
    bool brittle;          /* ... and processes die as an answer leaves */
    bool shifting;         /* reloads change the pools more often */
    enum layout layout;    /* where the pools are */
    bool hot_standby;      /* percent is 0 or 100 */
    uint32_t reserve;      /* of 100 free addresses, for a server without clients */
    bool threads;          /* Kea's packet threads: callouts of several packets interleave */
    uint32_t flaky;        /* of 1000 messages between the servers that break their connection */
    uint32_t stalls;       /* of 1000 stages of a packet's way that take long */
    uint32_t meddling;     /* of 1000 queries that another library drops, or keeps, when the engine has
                              written; of RELEASEs and DECLINEs that it prevents */
    uint32_t commit_ms;    /* a commit takes up to so long */
    uint32_t latency_ms;   /* between the servers, up to so long */
    uint32_t chaos_every;  /* seconds between two mishaps, on average; 0: none */
    uint32_t mishaps;      /* bits by enum mishap: which happen in this world */
    int32_t skew[2];       /* ms, each server's wall clock minus the true one, at the world's begin */
    int32_t drift[2];      /* of 1,000,000 s, by how many its clocks are fast */
    bool persistent;       /* Kea's rows survive a power cut as far as Kea can tell */
    bool full_time;        /* partner-down-lease-time */
    uint8_t without_partner; /* startup-without-partner */
};

enum mishap {
    MISHAP_KILL,
    MISHAP_POWER_CUT,
    MISHAP_STOP,
    MISHAP_RELOAD,
    MISHAP_CUT,
    MISHAP_HALF_CUT,
    MISHAP_RESET,
    MISHAP_SLOW_LINK,
    MISHAP_SLOW_DISK,
    MISHAP_FULL_DISK,
    MISHAP_BAD_ROWS,
    MISHAP_CLIENTS_CUT, /* some clients from a server, in one direction or both */
    MISHAP_SLOW_CLIENTS, /* their messages take their time */
    MISHAP_LOST_STORE,
    MISHAP_FREEZE,
    MISHAP_DISABLED,
    MISHAP_SILENT,
    MISHAP_CLOCK_SET,
    MISHAP_ROW_DELETED,
    MISHAP_PARTNER_DOWN, /* a server dies, and an operator tells the other; or takes one out of service */
    MISHAP_FORCED,      /* an operator declares a partner down that lives */
    MISHAP_BOTH_STORES, /* both are lost, or one is and the other rolled back */
    MISHAP_ROLLED_BACK, /* somebody copies a store; next time, the copy comes back */
    MISHAP_STRANGER,    /* somebody repeats what the primary said in an earlier connection */
    MISHAPS,
};

/* ------------------------------------------------------------------ network.c */

/* What travels to one side of a connection, in order. */
struct chunk {
    struct chunk *next;
    int64_t at; /* not delivered before */
    enum chunk_kind { CHUNK_CONNECTED, CHUNK_DATA, CHUNK_END, CHUNK_RESET } kind;
    size_t length;
    uint8_t data[];
};

/* One binding of a BNDUPD, as the oracle remembers it. */
struct said {
    int64_t at;
    uint32_t xid, address, potential_expiration;
    uint8_t status;
};

struct side {
    struct pipe *pipe;
    int number;           /* of its server */
    fo_connection id;
    struct chunk *first, *last; /* on the way to this side */
    bool pumping;         /* a delivery is planned */
    bool over;            /* closed by its owner, or its owner was told that it is */
    struct said *said;    /* BNDUPDs sent by this side, not yet acknowledged */
    size_t said_count, said_capacity;
};

struct pipe {
    struct pipe *next;
    struct side sides[2]; /* by server number */
    bool stranger;        /* in the primary's place: nobody hears what the secondary says */
};

/* What the primary said in a connection, from its beginning: a stranger's recording. */
struct tape {
    const struct pipe *pipe; /* NULL: it is over */
    uint8_t bytes[40000];
    size_t length;
};

/* ------------------------------------------------------------------ disk.c */

struct pair {
    uint8_t key[512];
    size_t key_length, length;
    uint8_t value[2100];
};

struct disk {
    struct pair *pairs; /* sorted by key */
    size_t count, capacity;
    struct pair *copy; /* NULL: there is none */
    size_t copied;
    const struct fo_store_batch *batch; /* under way */
    int64_t slow_until, full_until;
};

/* ------------------------------------------------------------------ kea.c */

struct lease_row {
    enum fo_row_state state;
    int client; /* -1: none */
    uint32_t cltt, length;
    uint16_t name; /* entered in DNS, 0: none */
};

struct kea {
    struct lease_row rows[ADDRESSES_MAX];
    struct lease_row on_disk[ADDRESSES_MAX]; /* what a power cut leaves */
    struct lease_row copy[ADDRESSES_MAX];    /* made with that of the store */
    struct packet *packets;                  /* in work */
    bool working;                            /* the main thread is at the rows */
    int64_t bad_until;
};

/* ------------------------------------------------------------------ server.c */

/* Between a server and one half of the clients. */
struct client_way {
    int64_t deaf_until; /* the server does not hear them before */
    int64_t mute_until; /* they do not hear the server */
    int64_t slow_until;
};

struct server {
    struct world *world;
    int number; /* 0: the primary */
    struct fo_env env;
    struct fo_service *service; /* NULL: not running */
    uint32_t life;              /* moves with each end of a process */
    bool powered, suspended, locked, rows_planned, listening;
    int64_t boot_begun;  /* true time of this boot's 0 */
    int64_t ended;       /* true time of the end of its last process */
    int32_t wall_step;   /* ms, by which its wall clock was set since it started */
    bool clock_was_far;  /* set by hours, once */
    bool rows_of_far_clock; /* what Kea's rows say of time is not looked at before they have been compared
                               with the table, by a clock that is right again */
    int32_t anchored;    /* ms, its service's clock minus the true one */
    uint8_t boot_id[16];
    int64_t step_at;     /* INT64_MAX: none is planned */
    int64_t stepped_at;
    uint32_t spinning;   /* steps at the same moment */
    uint64_t blocks;     /* of memory, in use */
    struct fo_config config;
    struct fo_topology topology;
    bool reserves[CLIENTS_MAX];  /* client's reservation is configured here */
    uint32_t part_away;          /* the part of the addresses that is in no pool here; or none */
    struct disk disk;
    struct kea kea;
    int64_t disabled_until; /* by dhcp-disable: its Kea takes no queries */
    int64_t silent_until;   /* its Kea's main thread does not run */
    struct client_way ways[CLIENT_WAYS];
    int64_t frozen_until; /* its process gets no time before (SIGSTOP, a virtual machine that is moved) */
    bool store_lost;     /* and has not been in NORMAL since */
    bool lacks;          /* there are addresses that it had never in a pool, or not since it lost its store: of
                            these it can tell nobody who loses the other one (hook/foreign.c) */
};

/* ------------------------------------------------------------------ clients.c */

enum client_state { CLIENT_IDLE, CLIENT_DISCOVERING, CLIENT_REQUESTING, CLIENT_REBOOTING,
                    CLIENT_BOUND, CLIENT_RENEWING, CLIENT_REBINDING, CLIENT_GONE };

struct client {
    struct world *world;
    int number;
    int link; /* the relay it is behind: with two subnets, 0 or 1 */
    enum client_state state;
    uint8_t hardware[6], identifier[7];
    bool has_identifier;
    uint32_t xid, serial; /* of the timer that counts */
    int64_t begun;        /* of this exchange, for `secs` */
    int64_t sent;         /* the last message */
    int64_t arrives[2];   /* ... to each server: what it said before is there before */
    int64_t asks_since;   /* its first attempt to renew this lease */
    int64_t gave_back;    /* when it last did */
    uint32_t tries;
    uint32_t wish;        /* the address that it had, or was offered */
    int chosen;           /* the server whose offer it took */
    uint32_t holds;       /* what it really holds, 0: nothing */
    int64_t until;        /* true time */
    int from;             /* the server that acknowledged it */
};

/* What a server says to a client. */
struct reply {
    enum reply_kind { REPLY_OFFER, REPLY_ACK, REPLY_NAK } kind;
    uint32_t xid, address, length;
    int server;
    bool outside;  /* of a NAK: the address is in no pool there */
    bool declined; /* the same: the server has it abandoned */
    int64_t asked; /* when the query arrived */
};

/* ------------------------------------------------------------------ the world */

typedef void event_action(struct world *world, void *subject, uint64_t argument);

struct event {
    int64_t at;
    uint64_t order;
    event_action *action;
    void *subject;
    uint64_t argument;
    bool owned; /* the subject is freed with the event */
};

struct world {
    uint64_t seed, random;
    int64_t now;
    struct event *events; /* a heap */
    size_t event_count, event_capacity;
    uint64_t event_order, events_run;
    struct plan plan;
    struct server servers[2];
    struct client clients[CLIENTS_MAX];
    struct pipe *pipes;
    struct tape tape;
    fo_connection next_connection;
    int64_t foreign_until[ADDRESSES_MAX]; /* a stranger uses the address: its clients decline */
    uint32_t repeated[ADDRESSES_MAX];     /* updates of it in peace */
    bool declined[ADDRESSES_MAX]; /* a server has heard so, and one remembers it: its holder may have to leave it */
    int64_t trouble;       /* when something was last amiss */
    bool way_cut[2];       /* from server n to the other */
    uint32_t slow_ms;      /* more latency */
    bool quiet;            /* chaos and clients are over */
    bool declared_done;    /* the operator has had its say */
    int declared;          /* the server that was declared down and has not met the other since; -1 */
    int rolled_back;       /* the server whose store was, and which has not met the other since; -1 */
    bool forced;           /* an exception has its cause in an order, or a loss, until both are NORMAL */
    bool parted;           /* one was PARTNER-DOWN, and they have not been NORMAL together since */
    bool apart;            /* both serve, each on its own */
    bool was_down[2];      /* it was PARTNER-DOWN after the last step */
    bool noted[2];         /* what was its own when it became PARTNER-DOWN; a start in that state is no other */
    bool may_double[ADDRESSES_MAX];        /* while they are apart */
    bool helped[ADDRESSES_MAX]; /* somebody could give it who did not own it, and they have not agreed since */
    int64_t excepted_until[ADDRESSES_MAX]; /* since then */
    int64_t grace_until;
    uint16_t names[ADDRESSES_MAX]; /* that DNS has, 0: none */
    bool names_forgotten;  /* maybe: of leases that only somebody knew who has forgotten them */
    uint64_t grants, refusals, mishaps_done;
    bool trace, failed;
    enum invariant broken; /* with `failed` */
    char failure[600];
};

/* world.c */
struct world *world_new(uint64_t seed, enum fo_fault planted, bool trace);
void world_free(struct world *world);
void world_schedule(struct world *world, int64_t at, event_action *action, void *subject,
                    uint64_t argument);
/* The same with a subject of malloc's, which is freed with the event. */
void world_post(struct world *world, int64_t at, event_action *action, void *subject,
                uint64_t argument);
/* Runs one event; false where there is none. */
bool world_step(struct world *world);
/* A number below `limit` (at least 1). */
uint32_t world_random(struct world *world, uint32_t limit);
bool world_chance(struct world *world, uint32_t of_1000);
/* The life is over: an invariant is broken. */
void world_break(struct world *world, enum invariant broken, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define world_fail(world, ...) world_break(world, INVARIANT_NONE, __VA_ARGS__)
void world_tell(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *world_address(uint32_t address); /* in a buffer of its own, for one message */

/* network.c */
void network_attach(struct server *server);
void network_process_ends(struct server *server, bool power);
void network_cut(struct world *world, int from, bool cut);
void network_reset(struct world *world);
/* A stranger repeats its recording to the secondary: whole, or only its beginning. */
void network_stranger(struct world *world);
void network_free(struct world *world);

/* disk.c */
void disk_attach(struct server *server);
void disk_process_ends(struct server *server);
void disk_lose(struct server *server);
void disk_copy(struct server *server);
/* The copy comes back, and is used up. */
void disk_restore(struct server *server);
/* Does the partner's store know a later state of this server's than its copy is? */
bool disk_copy_is_older(struct server *server);
const struct pair *disk_find(const struct server *server, const uint8_t *key, size_t length);
void disk_free(struct server *server);

/* server.c */
void server_init(struct world *world, int number);
void server_start(struct server *server);
void server_kill(struct server *server);
void server_power_cut(struct server *server);
void server_stop(struct server *server);
/* The exit that server_stop began; false while it is not over. */
bool server_stop_ends(struct server *server);
void server_reload_begin(struct server *server);
void server_reload_end(struct server *server);
void server_free(struct server *server);
/* The loop's thread has brought the service something: the step follows. */
void server_step_now(struct server *server);
/* Puts an event of the server's off until its process gets time again; false where it has. */
bool server_puts_off(struct server *server, event_action *action, void *subject, uint64_t argument);
/* When its Kea's main thread gets time, true ms; not later than now: it has. */
int64_t server_main_runs(const struct server *server);
uint32_t server_wall(const struct server *server); /* seconds since 1970 */
enum fo_state server_state(const struct server *server);

/* topology.c */
void topology_make(struct server *server);
/* What the next reload is to find: something else, or all as it should be. */
void topology_change(struct server *server);
void topology_restore(struct server *server);
/* Puts it into what the service is given. */
void topology_list(struct server *server);
/* Does the service have all? */
bool topology_is_whole(const struct server *server);
/* Is it in a pool of this server's? (As of the last topology_change.) */
bool topology_has(const struct server *server, uint32_t address);
/* The subnet that a relay is in, and that an address is in. */
uint32_t topology_subnet_of_link(const struct world *world, int link);
uint32_t topology_subnet(const struct world *world, uint32_t address);
/* Is the address of a network that this relay is in? */
bool topology_reaches(const struct world *world, int link, uint32_t address);
/* The address that a client has reserved at any time, 0: none; and whose an address is, -1. */
uint32_t reservation_of(const struct world *world, int client);
int reserved_for(const struct server *server, uint32_t address);

/* kea.c */
void kea_attach(struct server *server);
void kea_process_ends(struct server *server, bool power);
void kea_finish_packets(struct server *server);
bool kea_has_packet_of(const struct server *server, int client);
/* `link`: the relay that it came by. */
void kea_receive(struct server *server, int client, int link, const struct fo_query *query,
                 uint32_t xid);

/* kea_rows.c */
struct lease_row *kea_row(struct server *server, uint32_t address); /* NULL: not in the pool */
void kea_write_row(struct server *server, uint32_t address, struct lease_row row);
bool kea_row_is_over(const struct server *server, const struct lease_row *row);
/* The client's row, as the engine finds it: any of this network, over or not. 0: none. */
uint32_t kea_client_row(const struct server *server, int client, int link);
struct fo_client kea_identity(struct world *world, int number);
void kea_reconcile(struct server *server);
/* A slice of the main thread's work at rows. */
void kea_rows(struct world *world, void *server, uint64_t life);
void kea_reclaim(struct server *server);

/* names.c */
enum { NAME_TEXT = 16 };
/* The name that a client tells in this exchange, 0: none. */
uint16_t name_of_client(int client, uint32_t xid);
/* What a row with it says beside client and times, and back. */
struct fo_details name_details(uint16_t name, char text[NAME_TEXT]);
uint16_t name_in(const struct fo_details *details);
void name_enter(struct world *world, uint32_t address, uint16_t name);
void name_remove(struct world *world, uint32_t address, uint16_t name);
/* NULL, or a name that nobody has removed. */
const char *names_left(const struct world *world, char *text, size_t size);

/* clients.c */
struct client_way *client_way(struct server *server, int client);
/* How long a message is under way between them, ms. */
int64_t client_delay(struct server *server, int client);
void clients_init(struct world *world);
void client_receive(struct client *client, const struct reply *reply);
void client_begin(struct client *client);
void client_vanish(struct client *client);

/* oracle.c */
void oracle_after_step(struct world *world);
/* Is it in PARTNER-DOWN, without a connection? */
bool oracle_alone(const struct server *server);
/* `asked`: when the engine looked, by the service's clock; `alone`: what oracle_alone said then. */
void oracle_granted(struct world *world, struct server *server, int client, uint32_t address,
                    uint32_t asked, uint32_t length, bool alone);
void oracle_acknowledged(struct world *world, struct client *client, uint32_t address,
                         int64_t until, int server);
/* All its attempts to renew were met by silence. */
void oracle_unanswered(struct world *world, const struct client *client);
void oracle_refused(struct world *world, struct client *client, uint32_t address,
                    const struct reply *reply);
void oracle_frame(struct server *server, struct side *own, struct side *other,
                  const uint8_t *frame, size_t length);
/* A query is dropped by this decision. */
void oracle_dropped(struct server *server, const struct fo_refusal *refusal);
/* Is it in the server's store as it is in its table? */
bool oracle_remembers(const struct server *server, uint32_t address);
/* NULL where both servers agree on everything, and with the clients. */
const char *oracle_disagreement(struct world *world);
/* NULL where every address is free, and can be given by one server. */
const char *oracle_lost(struct world *world);

/* exceptions.c */
/* All that both servers knew may be lost: of every address anything may be thought until both are NORMAL. */
void exceptions_all(struct world *world);
/* May two clients meet on it now? */
bool exceptions_allow(const struct world *world, uint32_t address);
/* A client got it until then. */
void exceptions_granted(struct world *world, uint32_t address, int64_t until);
void exceptions_after_step(struct world *world);

/* plan.c */
void chaos_plan(struct world *world);

/* chaos.c */
void chaos_begin(struct world *world);

/* life.c */
/* Runs a whole life: mishaps for `events` events, then peace, in which all must agree. True where no
   invariant broke. */
bool simulate_life(struct world *world, uint64_t events);

#endif
