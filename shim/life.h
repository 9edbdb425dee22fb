/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The one service of this process and what belongs to it (life.cc); how Kea begins, configures and ends it is
 * in entry.cc.
 */
#ifndef FO_SHIM_LIFE_H
#define FO_SHIM_LIFE_H

#include "shim/shim.h"

#include <dhcpsrv/network_state.h>

#include <atomic>
#include <unordered_map>

struct fo_env_real;

namespace failover {

/* What the shim must know of a subnet for each packet. */
struct Governed {
    bool guards; /* class guards in its network */
};

/* The one service and what belongs to it. Changed by Kea's main thread with no packet in work. */
class Life {
public:
    ~Life() { end_at_exit(); }

    void configure(const isc::dhcp::SrvConfigPtr &server);
    void suspend();
    /* Kea opens its log anew for each configuration, and loses what other threads log meanwhile. So ours waits
       until Kea's main loop runs again. */
    void hold_log(bool hold);
    void end();
    void enable_kea(bool wanted);

    fo_service *service = nullptr;
    std::unordered_map<uint32_t, Governed> subnets;
    std::vector<uint64_t> owners; /* Topology's */
    /* The configuration that the service knows; kept, so that no other gets its address. */
    std::atomic<const isc::dhcp::SrvConfig *> known{nullptr};
    /* The one that could not be told to the service: not tried again for each packet. */
    std::atomic<const isc::dhcp::SrvConfig *> refused{nullptr};
    /* Kea has lost its lease database, or its rows could not be read: they are compared again when it
       is back, for what it says then may be older than what it said. */
    bool rows_unknown = false;
    std::atomic<uint32_t> databases_lost{0}; /* counts what Kea finds lost, and its attempts to get it back */
    int loads = 0;
    isc::dhcp::NetworkStatePtr network_state;
    bool disabled = false; /* Kea's DHCP service, by us: see loaded() */

private:
    void create(const std::string &state_file);
    void start();
    void learn_subnets(const isc::dhcp::SrvConfig &server, const fo_config &config);
    void end_at_exit();

    isc::dhcp::SrvConfigPtr kept_;
    fo_env_real *env_ = nullptr;
    std::string state_file_;
    bool running_ = false;
    bool log_held_ = false;
};

extern Life life;

/* Whether this is a Kea that serves clients, or is about to: not where `kea-dhcp4 -T` only checks a
   configuration (since 2.4), beside a server that may be running with the same files, and not at Kea's exit. */
bool kea_serves();

/* Hears of each database that Kea loses, from each configuration on that Kea runs (lost_database.cc). */
void watch_databases();

/* Wakes the main thread, to compare what the service knows with what Kea is running. */
void look_again_soon();

} // namespace failover

#endif
