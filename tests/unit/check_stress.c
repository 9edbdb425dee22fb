/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Two services in one process, each with its real environment (threads, LMDB, TCP on loopback), and
 * threads that use them as Kea does: packet threads discover, request, renew, release and decline
 * at both; each side's main thread follows the rows, reads the status and reconfigures. What the
 * clients really hold is written down apart from all that: no address is ever granted to two.
 *
 * Made for ThreadSanitizer, so the test itself orders the threads as little as it can: leases are
 * atomic words; what Kea holds a lock for (its lease database, a reconfiguration) has one here.
 */
#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hook/env_real.h"
#include "hook/failover.h"

enum {
    SECONDS = 5,
    THREADS = 3,         /* packet threads */
    CLIENTS = 50,        /* of each */
    POOL = 160,          /* addresses for these 150 clients: they compete */
    FIRST = 0x0a000001,
    SUBNET = 1,
    DESIRED = 600,
    PROBATION = 3600,    /* a declined address is not used again in this test */
    REQUEST = 3, DISCOVER = 1, DECLINE = 4, RELEASE = 7,
};

struct row {
    uint32_t client; /* 0: no row */
    uint32_t cltt, length;
    bool declined;
};

struct side {
    struct fo_env_real *real;
    struct fo_service *service;
    char file[300], name;
    uint16_t port;
    pthread_t main;
    sem_t rows_wanted;
    pthread_mutex_t database; /* Kea's lease database has one, too */
    struct row rows[POOL];
    pthread_rwlock_t packets; /* held shared by a packet in work: a reconfiguration waits for them */
    atomic_uint granted, reconfigured, normal, messages;
};

static struct side sides[2];
static char directory[256];
static atomic_bool running;
static atomic_uint conflicts;
/* What clients hold: the client and the end of its lease, ms since `begun`. */
static _Atomic uint64_t held[POOL];
static int64_t begun;

static int64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------ the oracle */

static void client_has(uint32_t client, uint32_t address, int64_t asked_at, uint32_t length)
{
    uint64_t end = (uint64_t)(asked_at - begun) + (uint64_t)length * 1000;
    uint64_t before = atomic_exchange_explicit(
        &held[address - FIRST], (uint64_t)client << 32 | end, memory_order_relaxed);
    if (before >> 32 != 0 && before >> 32 != client &&
        (int64_t)(before & UINT32_MAX) > milliseconds() - begun) {
        fprintf(stderr, "address %u: client %u has it, granted to %u\n", address - FIRST,
                (unsigned)(before >> 32), client);
        atomic_fetch_add(&conflicts, 1);
    }
}

/* Before the client says so. */
static void client_gives_up(uint32_t address)
{
    atomic_store_explicit(&held[address - FIRST], 0, memory_order_relaxed);
}

/* ------------------------------------------------------------------ a client's identity */

static void put_client(uint8_t hardware[6], uint32_t client)
{
    memcpy(hardware, (const uint8_t[]){2, 0, 0, 0, (uint8_t)(client >> 8), (uint8_t)client}, 6);
}

static uint32_t client_of(const struct fo_client *client)
{
    ck_assert_uint_eq(client->hardware_length, 6);
    return (uint32_t)client->hardware[4] << 8 | client->hardware[5];
}

static struct fo_query query_of(uint8_t hardware[6], uint32_t client, uint8_t type)
{
    put_client(hardware, client);
    return (struct fo_query){
        .client = {.hardware = hardware, .hardware_type = 1, .hardware_length = 6},
        .message_type = type,
    };
}

/* ------------------------------------------------------------------ packets */

/* Up to the engine: true where it goes on. */
static bool goes_on(struct side *side, const struct fo_query *query, struct fo_decision *decision)
{
    fo_query_received(side->service, query, decision);
    if (decision->answer == FO_PASS)
        fo_subnet_selected(side->service, SUBNET, query, NULL, NULL, decision);
    return decision->answer == FO_PASS;
}

static uint32_t discover(struct side *side, uint32_t client, uint16_t secs)
{
    uint8_t hardware[6];
    struct fo_query query = query_of(hardware, client, DISCOVER);
    struct fo_decision decision;
    query.secs = secs;
    if (!goes_on(side, &query, &decision))
        return 0;
    uint32_t address = decision.address, length = DESIRED;
    if (fo_lease_offered(side->service, SUBNET, &query, &decision, &address, &length) == FO_DROP)
        return 0;
    ck_assert_uint_ge(length, 1);
    return address;
}

/* The engine, with an address that was claimed: writes the row and commits. */
static bool grant(struct side *side, const struct fo_query *query, struct fo_decision *decision,
                  uint32_t address, uint32_t *length)
{
    struct row *row = &side->rows[address - FIRST];
    uint32_t client = client_of(&query->client), cltt = (uint32_t)time(NULL);
    *length = DESIRED;
    if (fo_lease_requested(side->service, SUBNET, query, decision, address, length) == FO_DROP)
        return false;
    pthread_mutex_lock(&side->database);
    bool others = row->client != 0 && row->client != client && row->cltt + row->length > cltt;
    if (!others)
        *row = (struct row){.client = client, .cltt = cltt, .length = *length};
    pthread_mutex_unlock(&side->database);
    uint32_t row_length = *length;
    if (others || fo_committed(side->service, SUBNET, query, decision, cltt, *length, DESIRED,
                               NULL, &row_length) == FO_DROP)
        return false;
    pthread_mutex_lock(&side->database);
    row->length = row_length;
    pthread_mutex_unlock(&side->database);
    return true;
}

/* A REQUEST of one of the three kinds; true where the client is acknowledged. */
static bool request(struct side *side, uint32_t client, uint32_t address, bool selecting,
                    bool renewing)
{
    uint8_t hardware[6];
    struct fo_query query = query_of(hardware, client, REQUEST);
    struct fo_decision decision;
    int64_t asked_at = milliseconds();
    uint32_t length = DESIRED;
    query.names_server = selecting;
    query.asks_address = !renewing;
    query.asked_address = renewing ? 0 : address;
    query.ciaddr = renewing ? address : 0;
    query.secs = 10;
    bool acknowledged = false;
    if (goes_on(side, &query, &decision)) {
        if (decision.claim.address != 0)
            acknowledged = grant(side, &query, &decision, address, &length);
        else /* nobody's address is granted without a claim */
            ck_assert_int_eq(fo_lease_requested(side->service, SUBNET, &query, &decision, address,
                                                &length), FO_DROP);
    }
    if (acknowledged) {
        client_has(client, address, asked_at, length);
        atomic_fetch_add(&side->granted, 1);
    }
    fo_claim_release(side->service, &decision.claim);
    return acknowledged;
}

/* RELEASE or DECLINE. */
static void leave(struct side *side, uint32_t client, uint32_t address, uint8_t type)
{
    uint8_t hardware[6];
    struct fo_query query = query_of(hardware, client, type);
    struct fo_decision decision;
    struct row *row = &side->rows[address - FIRST];
    query.names_server = true;
    query.ciaddr = type == RELEASE ? address : 0;
    query.asks_address = type == DECLINE;
    query.asked_address = type == DECLINE ? address : 0;
    client_gives_up(address);
    fo_query_received(side->service, &query, &decision);
    if (decision.answer == FO_PASS && decision.claim.address == address) {
        uint32_t now = (uint32_t)time(NULL);
        pthread_mutex_lock(&side->database);
        bool its = row->client == client && !row->declined;
        if (its && type == RELEASE)
            row->client = 0;
        else if (its)
            *row = (struct row){client, now, PROBATION, true};
        pthread_mutex_unlock(&side->database);
        if (its && type == RELEASE)
            fo_released(side->service, &decision, true);
        else if (its)
            fo_declined(side->service, &decision, now + PROBATION);
    }
    fo_claim_release(side->service, &decision.claim);
}

/* One exchange of a client at a server of its choice; `address` is its lease, 0: none. */
static void act(uint32_t client, uint32_t *address, unsigned *seed)
{
    unsigned dice = (unsigned)rand_r(seed) % 1000;
    struct side *side = &sides[rand_r(seed) % 2];
    pthread_rwlock_rdlock(&side->packets);
    if (*address == 0) {
        uint32_t offer = discover(side, client, dice < 500 ? 0 : 10);
        if (offer != 0 && dice % 10 != 0 && request(side, client, offer, true, false))
            *address = offer;
    } else if (dice < 500) {
        request(side, client, *address, false, true);
    } else if (dice < 650) {
        request(side, client, *address, false, false); /* INIT-REBOOT */
    } else if (dice < 700) {
        /* A stranger wants it: never granted, or the oracle sees it. */
        uint32_t wish = FIRST + (uint32_t)(rand_r(seed) % POOL);
        if (wish != *address && request(side, client, wish, false, false)) {
            client_gives_up(*address); /* it was free, and this server's: the client moved */
            *address = wish;
        }
    } else if (dice < 998) {
        leave(side, client, *address, RELEASE);
        *address = 0;
    } else {
        leave(side, client, *address, DECLINE);
        *address = 0;
    }
    pthread_rwlock_unlock(&side->packets);
}

static void *packet_thread(void *argument)
{
    uint32_t first = *(const uint32_t *)argument, leases[CLIENTS] = {0};
    unsigned seed = first;
    while (atomic_load_explicit(&running, memory_order_relaxed)) {
        unsigned i = (unsigned)rand_r(&seed) % CLIENTS;
        act(first + i, &leases[i], &seed);
    }
    return NULL;
}

/* ------------------------------------------------------------------ Kea's main thread */

static void show_row(const struct side *side, size_t i, uint8_t hardware[6], struct fo_row *row)
{
    const struct row *stored = &side->rows[i];
    *row = (struct fo_row){.state = stored->client == 0   ? FO_ROW_ABSENT
                                    : stored->declined ? FO_ROW_DECLINED
                                                       : FO_ROW_LEASED,
                           .address = FIRST + (uint32_t)i,
                           .subnet_id = SUBNET,
                           .cltt = stored->cltt,
                           .length = stored->length};
    if (row->state == FO_ROW_LEASED) {
        put_client(hardware, stored->client);
        row->client = (struct fo_client){
            .hardware = hardware, .hardware_type = 1, .hardware_length = 6};
    }
}

static void work_on_rows(struct side *side)
{
    struct fo_row row, found;
    uint8_t hardware[6];
    for (int i = 0; i < 50 && fo_rows_next(side->service, &row); i++) {
        struct row *stored = &side->rows[row.address - FIRST];
        pthread_mutex_lock(&side->database);
        if (row.job == FO_ROW_PUT)
            *stored = (struct row){.client = row.state == FO_ROW_LEASED ? client_of(&row.client)
                                                                        : UINT32_MAX,
                                   .cltt = row.cltt,
                                   .length = row.length,
                                   .declined = row.state == FO_ROW_DECLINED};
        else if (row.job == FO_ROW_DELETE)
            stored->client = 0;
        show_row(side, row.address - FIRST, hardware, &found);
        pthread_mutex_unlock(&side->database);
        fo_rows_done(side->service, &row, row.job == FO_ROW_READ ? &found : NULL, NULL);
    }
    fo_rows_slice_over(side->service, 100);
}

static void read_status(struct side *side)
{
    struct fo_relationship_status status;
    struct fo_pool_status pool;
    ck_assert_uint_eq(fo_relationship_count(side->service), 1);
    ck_assert(fo_relationship_status(side->service, 0, &status));
    ck_assert(fo_pool_status(side->service, 0, 0, &pool));
    ck_assert_uint_eq(pool.total, POOL);
    if (strcmp(status.state, "NORMAL") == 0)
        atomic_fetch_add(&side->normal, 1);
}

/* Another offer-hold each time; every third time another contact-interval, which needs another
   connection. Rows are shown as after each reload. */
static void configure(struct side *side, unsigned round)
{
    char json[1024], error[FO_CONFIG_ERROR_MAX];
    struct fo_config config;
    struct fo_pool_range range = {FIRST, FIRST + POOL - 1, SUBNET, 0};
    uint32_t subnet = SUBNET, network = 0;
    struct fo_topology topology = {.pools = &range, .pool_count = 1, .subnets = &subnet,
                                   .networks = &network, .subnet_count = 1,
                                   .decline_probation = PROBATION, .persistent = true};
    snprintf(json, sizeof json,
             "{\"high-availability\": [{\"this-server-name\": \"%c\", \"mode\": \"load-balancing\","
             "\"max-client-lead-time\": 10, \"startup-delay\": 1, \"connect-retry-delay\": 1,"
             "\"offer-hold\": %u, \"contact-interval\": %u, \"peers\": ["
             "{\"name\": \"a\", \"url\": \"tcp://127.0.0.1:%u\", \"role\": \"primary\"},"
             "{\"name\": \"b\", \"url\": \"tcp://127.0.0.2:%u\", \"role\": \"secondary\"}]}]}",
             side->name, 1 + round % 2, 1 + round / 3 % 2, sides[0].port, sides[1].port);
    /* One process has one main thread, but here, and Jansson one allocator in a process. */
    static pthread_mutex_t parsing = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&parsing);
    const int refused = fo_config_parse(json, &config, error);
    pthread_mutex_unlock(&parsing);
    ck_assert_msg(refused == 0, "%s", error);
    ck_assert_msg(fo_service_configure(side->service, &config, &topology, error) == 0, "%s", error);
    fo_config_free(&config);
    fo_reconcile_begin(side->service);
    for (size_t i = 0; i < POOL; i++) {
        struct fo_row row;
        uint8_t hardware[6];
        show_row(side, i, hardware, &row);
        if (row.state != FO_ROW_ABSENT)
            fo_reconcile_row(side->service, &row);
    }
    fo_reconcile_end(side->service);
}

static void *main_thread(void *argument)
{
    struct side *side = argument;
    int64_t reconfigure_at = milliseconds() + 1500;
    for (unsigned round = 1; atomic_load_explicit(&running, memory_order_relaxed);) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        sem_timedwait(&side->rows_wanted, &until);
        work_on_rows(side);
        read_status(side);
        if (milliseconds() < reconfigure_at)
            continue;
        pthread_rwlock_wrlock(&side->packets); /* no packet is in work */
        fo_service_suspend(side->service);
        configure(side, round++);
        pthread_rwlock_unlock(&side->packets);
        atomic_fetch_add(&side->reconfigured, 1);
        reconfigure_at = milliseconds() + 900;
    }
    return NULL;
}

/* ------------------------------------------------------------------ life */

static void count_message(void *context, enum fo_log_id id, const char *const arguments[])
{
    struct side *side = context;
    (void)id;
    for (size_t i = 0; arguments[i] != NULL; i++)
        ck_assert_uint_lt(strlen(arguments[i]), 4096); /* reads them */
    atomic_fetch_add(&side->messages, 1);
}

static void rows_wanted(void *context)
{
    sem_post(&((struct side *)context)->rows_wanted);
}

static uint16_t free_port(uint32_t address)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    socklen_t length = sizeof name;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(descriptor, (struct sockaddr *)&name, length), 0);
    ck_assert_int_eq(getsockname(descriptor, (struct sockaddr *)&name, &length), 0);
    close(descriptor);
    return ntohs(name.sin_port);
}

static void make(struct side *side, char name)
{
    char error[FO_CONFIG_ERROR_MAX];
    side->name = name;
    snprintf(side->file, sizeof side->file, "%s/%c", directory, name);
    sem_init(&side->rows_wanted, 0, 0);
    pthread_mutex_init(&side->database, NULL);
    pthread_rwlock_init(&side->packets, NULL);
    struct fo_env_real_settings settings = {side->file, side, count_message, rows_wanted};
    side->real = fo_env_real_new(&settings);
    ck_assert_ptr_nonnull(side->real);
    side->service = fo_service_new(fo_env_real_env(side->real), error);
    ck_assert_msg(side->service != NULL, "%s", error);
    configure(side, 0);
    ck_assert_int_eq(fo_env_real_run(side->real, side->service), 0);
}

static void unmake(struct side *side)
{
    fo_service_stop(side->service);
    for (int64_t limit = milliseconds() + 3000;
         !fo_service_stopped(side->service) && milliseconds() < limit;)
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    ck_assert(fo_service_stopped(side->service));
    fo_env_real_stop(side->real);
    fo_service_free(side->service);
    fo_env_real_free(side->real);
    unlink(side->file);
}

START_TEST(no_address_is_granted_to_two_clients_while_everything_happens_at_once)
{
    const char *base = getenv("TMPDIR");
    pthread_t threads[THREADS];
    uint32_t firsts[THREADS];
    snprintf(directory, sizeof directory, "%s/check_stress.XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    begun = milliseconds();
    running = true;
    sides[0].port = free_port(0x7f000001);
    sides[1].port = free_port(0x7f000002);
    make(&sides[0], 'a');
    make(&sides[1], 'b');
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&sides[i].main, NULL, main_thread, &sides[i]), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        firsts[i] = 1 + i * CLIENTS;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, packet_thread, &firsts[i]), 0);
    }
    nanosleep(&(struct timespec){SECONDS, 0}, NULL);
    running = false;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(sides[i].main, NULL);
    for (int i = 0; i < 2; i++)
        unmake(&sides[i]);
    rmdir(directory);
    ck_assert_uint_eq(conflicts, 0);
    for (int i = 0; i < 2; i++) { /* and it was no idle run */
        ck_assert_uint_gt(sides[i].granted, 100);
        ck_assert_uint_gt(sides[i].reconfigured, 2);
        ck_assert_uint_gt(sides[i].normal, 0);
        ck_assert_uint_gt(sides[i].messages, 0);
    }
    if (getenv("FO_STRESS_TALKS") != NULL)
        fprintf(stderr, "granted %u and %u, reconfigured %u and %u times\n", sides[0].granted,
                sides[1].granted, sides[0].reconfigured, sides[1].reconfigured);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stress");
    TCase *stress = tcase_create("stress");
    tcase_set_timeout(stress, 120);
    tcase_add_test(stress, no_address_is_granted_to_two_clients_while_everything_happens_at_once);
    suite_add_tcase(suite, stress);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
