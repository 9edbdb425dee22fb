/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The keys of the parameters; see config_table.h. A new number is one line of the first table and
 * its key in the list below it.
 */
#include "hook/config_table.h"

#include <stdbool.h>
#include <string.h>

#include "hook/config.h"
#include "protocol/session.h"

#define AT(member) offsetof(struct fo_config_relationship, member)

const struct fo_config_number fo_config_numbers[] = {
    {"max-client-lead-time", AT(mclt), 10, 2592000, 3600, " seconds",
     "with less, clients do nothing but renew; with more than 30 days, a lost server's addresses "
     "stay unused too long"},
    {"load-balance-percent", AT(primary_percent), 0, 100, 50, "",
     "the primary's share of the clients in percent"},
    {"load-balance-max-seconds", AT(max_seconds), 0, 65535, 3, " seconds",
     "it is compared with the 16 bits of a query's secs field"},
    {"reserve-percent", AT(reserve_percent), 0, 100, 5, "",
     "the standby's share of each pool's free addresses in percent"},
    /* The most is a third of the longest max-response-delay. The partner's timer is known only when
       it connects, and shortens this where need be. */
    {"contact-interval", AT(contact_interval), 1, 1200, 0, " seconds",
     "at most a third of the partner's max-response-delay is used"},
    /* 3: a third of it is the interval of CONTACT messages, which is at least one second. */
    {"max-response-delay", AT(max_response_delay), 3, 3600, 60, " seconds",
     "seconds here, not milliseconds; with less than 3 every hiccup ends the connection, with more "
     "than an hour a dead partner is not noticed"},
    {"startup-delay", AT(startup_delay), 0, 3600, 15, " seconds",
     "no client is served while it runs, unless the partner is met"},
    {"connect-retry-delay", AT(connect_retry_delay), 1, 60, 5, " seconds",
     "it grows to 60 by itself"},
    {"max-unacked-updates", AT(max_unacked), 1, FO_WINDOW_MAX, FO_WINDOW_MAX, "",
     "the draft's section 7.8.1 wants more than 10"},
    {"offer-hold", AT(offer_hold), 1, 3600, 30, " seconds",
     "a client answers an offer within seconds; each held address is kept from all others"},
    {"max-clock-skew", AT(max_clock_skew), 0, 86400, 60, " seconds",
     "0 never refuses a partner for its clock; a day is no skew any more but a wrong date"},
    /* An hour or two: longer than a repair of the network, shorter than the leases. */
    {"auto-partner-down", AT(auto_partner_down), 0, 2592000, 0, " seconds",
     "0 leaves it to an operator; else an hour or two: a partner that is only cut off from this "
     "server goes on leasing addresses"},
    {NULL, 0, 0, 0, 0, NULL, NULL},
};

static const char *const lease_times[] = {"mclt", "full", NULL};
static const char *const without_partner[] = {"auto", "known", "all", "none", NULL};
static const char *const hash_inputs[] = {"client-identifier", "hw-address", NULL};
static const char *const renewals[] = {"any", "owner-only", NULL};
static const char *const growths[] = {"full", "gradual", NULL};
static const char *const interrupted_times[] = {"mclt", "protocol", NULL};

const struct fo_config_word fo_config_words[] = {
    {"partner-down-lease-time", AT(partner_down_full_time), lease_times, true,
     "must be \"full\" (the configured lease time) or \"mclt\""},
    {"startup-without-partner", AT(without_partner), without_partner, FO_WITHOUT_AUTO,
     "must be \"auto\", \"known\", \"all\" or \"none\": whom this server serves when it was away for "
     "longer than the MCLT and finds no partner"},
    {"hash-input", AT(hash_hardware), hash_inputs, false,
     "must be \"client-identifier\" (the hardware address where there is none) or \"hw-address\", the "
     "same on both servers"},
    {"normal-renewals", AT(owner_renews), renewals, false,
     "must be \"any\" (a server that is asked answers) or \"owner-only\""},
    {"lease-growth", AT(gradual_growth), growths, false,
     "must be \"full\" (from the first renewal on) or \"gradual\" (an MCLT longer each time)"},
    {"interrupted-lease-time", AT(interrupted_bound), interrupted_times, false,
     "must be \"mclt\" or \"protocol\" (the longest that is safe)"},
    {"interrupted-use-partner-addresses", AT(interrupted_takes_all), NULL, false,
     "must be true or false"},
    {NULL, 0, NULL, 0, NULL},
};

const char *fo_config_without_partner_name(uint8_t number)
{
    return without_partner[number];
}

const char *const fo_config_parameter_keys[] = {"high-availability", "state-file", "user-context",
                                                "comment", NULL};

const char *const fo_config_relationship_keys[] = {
    "this-server-name",     "mode",
    "relationship-name",    "peers",
    "subnets",              "max-client-lead-time",
    "load-balance-percent", "load-balance-max-seconds",
    "active",               "reserve-percent",
    "contact-interval",     "max-response-delay",
    "startup-delay",        "connect-retry-delay",
    "max-unacked-updates",  "offer-hold",
    "max-clock-skew",       "state-file",
    "secret",               "secret-file",
    "digest",
    "auto-partner-down",    "partner-down-lease-time",
    "startup-without-partner",
    "hash-input",           "normal-renewals",
    "lease-growth",         "interrupted-lease-time",
    "interrupted-use-partner-addresses",
    "user-context",         "comment",
    NULL,
};

const char *const fo_config_peer_keys[] = {"name", "url", "role", "user-context", "comment", NULL};

#define HA "it belongs to libdhcp_ha; "
#define NO_HTTP HA "there is no HTTP between failover partners, leave it out"
#define ALWAYS_UPDATES HA "failover always sends lease updates, leave it out"
#define ALWAYS_SYNC HA "failover sends the partner what it misses by itself, leave it out"

static const struct {
    const char *key;
    const char *advice;
} foreign_keys[] = {
    {"heartbeat-delay", HA "use contact-interval, in seconds"},
    {"max-ack-delay", HA "use load-balance-max-seconds, in seconds"},
    {"max-unacked-clients",
     HA "failover does not count clients to declare a partner down, leave it out"},
    {"max-rejected-lease-updates", HA "a rejected update is sent again, leave it out"},
    {"send-lease-updates", ALWAYS_UPDATES},
    {"sync-leases", ALWAYS_SYNC},
    {"sync-timeout", ALWAYS_SYNC},
    {"sync-page-limit", ALWAYS_SYNC},
    {"delayed-updates-limit", HA "pending updates are never dropped, leave it out"},
    {"wait-backup-ack", HA "failover has no backup servers, leave it out"},
    {"state-machine", HA "failover's states do not pause, leave it out"},
    {"auto-failover", HA "both partners always take over, leave it out"},
    {"multi-threading", NO_HTTP},
    {"restrict-commands", NO_HTTP},
    {"trust-anchor", NO_HTTP},
    {"cert-file", NO_HTTP},
    {"key-file", NO_HTTP},
    {"require-client-certs", NO_HTTP},
    {"basic-auth-user", NO_HTTP},
    {"basic-auth-password", NO_HTTP},
    {"basic-auth-password-file", NO_HTTP},
    {"ha-server-name", HA "list the subnets of each relationship in subnets"},
    {"mclt", "use max-client-lead-time"},
    {"split", "use load-balance-percent"},
    {"hba", "use load-balance-percent"},
    {"subnet", "use subnets, a list of subnet ids"},
    {"subnet4", "use subnets, a list of subnet ids"},
    {"pd-pools", "failover is for DHCPv4 only"},
    {"preferred-lifetime", "failover is for DHCPv4 only"},
};

const char *fo_config_foreign_key(const char *key)
{
    for (size_t i = 0; i < sizeof foreign_keys / sizeof foreign_keys[0]; i++)
        if (strcmp(key, foreign_keys[i].key) == 0)
            return foreign_keys[i].advice;
    size_t length = strlen(key);
    if (length > 0 && key[length - 1] == '6')
        return "failover is for DHCPv4 only";
    return NULL;
}
