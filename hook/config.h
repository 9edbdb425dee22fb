/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The parameters of the hook library, validated (the `high-availability` list, as operators of Kea
 * know it), and the subnets and pools of Kea's configuration that they govern.
 *
 * One table in config_table.c says of each key its type, bounds and default. An error names the
 * relationship, the key, the value and what would be right. All times are in seconds.
 */
#ifndef FO_HOOK_CONFIG_H
#define FO_HOOK_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FO_NAME_MAX = 255,          /* 12.22: one option; a name is sent whole */
    FO_RELATIONSHIPS_MAX = 31,  /* S6 */
    FO_CONFIG_ERROR_MAX = 768,
    FO_SECRET_MAX = 255,        /* bytes */
};

/* What a server does that was away for longer than MCLT and finds no partner (rule of safety 9). */
enum fo_without_partner {
    FO_WITHOUT_AUTO,  /* all where `auto-partner-down` is off, else known */
    FO_WITHOUT_KNOWN, /* unexpired leases are renewed */
    FO_WITHOUT_ALL,   /* as in COMMUNICATIONS-INTERRUPTED */
    FO_WITHOUT_NONE,  /* nobody is served */
};

struct fo_config_peer {
    char name[FO_NAME_MAX + 1];
    char url[64];
    uint32_t address; /* IPv4, host byte order */
    uint16_t port;    /* 647 unless the url names one */
    bool primary;
    bool standby;     /* a secondary whose role is given as "standby" */
};

struct fo_config_relationship {
    char name[FO_NAME_MAX + 1]; /* default: <primary's name>-<secondary's> */
    bool primary;               /* this server's role */
    bool hot_standby;           /* mode: hot-standby, not load-balancing */
    bool active;                /* hot standby: this server serves the clients while both work */
    struct fo_config_peer self;
    struct fo_config_peer partner;
    uint32_t *subnets;          /* ids; subnet_count 0 means all */
    size_t subnet_count;
    uint32_t mclt;                /* max-client-lead-time, 3600 */
    uint32_t primary_percent;     /* load-balance-percent, 50; hot standby: 100 or 0 */
    uint32_t max_seconds;         /* load-balance-max-seconds, 3; hot standby: beyond any secs */
    uint32_t reserve_percent;     /* 5; of free addresses, for a server with few clients or none */
    uint32_t contact_interval;    /* 0: a third of the partner's receive timer */
    uint32_t max_response_delay;  /* 60, our receive timer */
    uint32_t startup_delay;       /* 15 */
    uint32_t connect_retry_delay; /* 5, grows to 60 */
    uint32_t max_unacked;         /* max-unacked-updates, 600: BNDUPDs we accept unacknowledged */
    uint32_t offer_hold;          /* 30 */
    uint32_t max_clock_skew;      /* 60; 0: never refuse */
    uint8_t secret[FO_SECRET_MAX]; /* secret or the content of secret-file; never shown (secret.h) */
    uint16_t secret_length;       /* 0: messages are not signed */
    uint8_t digest;               /* enum fo_digest_type: hmac-sha256 where there is a secret */
    bool secret_short;            /* warnings: easily guessed, ... */
    bool secret_exposed;          /* ... in a file that others may read or change */
    uint32_t auto_partner_down;   /* 0: only an operator declares the partner down */
    bool partner_down_full_time;  /* partner-down-lease-time: "full" (default) rather than "mclt" */
    uint8_t without_partner;      /* startup-without-partner: enum fo_without_partner, auto */
    bool hash_hardware;           /* hash-input: "hw-address" rather than "client-identifier" */
    bool owner_renews;            /* normal-renewals: "owner-only" rather than "any" */
    bool gradual_growth;          /* lease-growth: "gradual" rather than "full" */
    bool interrupted_bound;       /* interrupted-lease-time: "protocol" rather than "mclt" */
    bool interrupted_takes_all;   /* interrupted-use-partner-addresses, false */
};

struct fo_config {
    struct fo_config_relationship *relationships;
    size_t count;
    char state_file[4096]; /* empty: the caller's default, beside the lease file */
};

/* Parses and validates the text of the hook's `parameters` map (JSON).
   Returns 0 and fills `config`; -1 with a text in `error` (FO_CONFIG_ERROR_MAX bytes), and `config`
   is empty. A relationship's subnets come out in ascending order. */
int fo_config_parse(const char *json, struct fo_config *config, char *error);
/* A copy with memory of its own. Returns 0, or -1 where there is none; `to` is empty then. */
int fo_config_copy(struct fo_config *to, const struct fo_config *from);
/* "hmac-sha256", "hmac-md5", or "none" where there is no secret. */
const char *fo_config_digest_name(const struct fo_config_relationship *relationship);
/* The word of an enum fo_without_partner. */
const char *fo_config_without_partner_name(uint8_t without_partner);
/* Leaves it empty; an empty (zeroed) one may be freed. */
void fo_config_free(struct fo_config *config);

/* ------------------------------------------------------------------ what Kea has configured */

struct fo_pool_range {
    uint32_t first; /* IPv4, host byte order, both inclusive */
    uint32_t last;
    uint32_t subnet_id;
    uint32_t network; /* subnets of one shared network have the same number; a subnet that is in
                         none has a number of its own */
};

struct fo_topology {
    struct fo_pool_range *pools;
    size_t pool_count;
    uint32_t *subnets; /* ids of all subnets, and beside each its network number */
    uint32_t *networks;
    size_t subnet_count;
    uint32_t *reserved; /* addresses inside pools that host reservations name */
    size_t reserved_count;
    uint32_t decline_probation; /* seconds */
    bool persistent;            /* leases survive a power cut as far as Kea can tell */
    bool names;                 /* Kea updates DNS (dhcp-ddns) */
};

/* As for struct fo_config. */
int fo_topology_copy(struct fo_topology *to, const struct fo_topology *from);
void fo_topology_free(struct fo_topology *topology);

/* Checks the two against each other: unknown subnet ids, one subnet in two relationships, a shared
   network of two relationships (or of one and none), pools that overlap a governed pool. Returns 0,
   or -1 with a text in `error`. */
int fo_config_check(const struct fo_config *config, const struct fo_topology *topology,
                    char *error);

/* The relationship (index) that governs a subnet, or -1. A search through all lists: for loading,
   not for each query. */
int fo_config_relationship_of(const struct fo_config *config, uint32_t subnet_id);

#ifdef __cplusplus
}
#endif

#endif
