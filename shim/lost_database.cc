/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A database that Kea loses, and gets back. Kea tells no hook library; but what it calls then, in its main
 * thread, is a variable of its DatabaseConnection, so ours is called before.
 *
 * With several threads each of them has a connection of its own. Kea 2.2 disables its DHCP service once for
 * each connection that is found lost, and tries by one timer to get them back: where two were found
 * before it succeeds, it enables the service once, and that stays disabled until the next configuration. So it
 * is enabled here as often as it was disabled.
 */
#include "shim/life.h"

#include <database/database_connection.h>

#include <map>

namespace failover {
namespace {

using isc::db::DatabaseConnection;
using isc::db::DbCallback;
using isc::util::ReconnectCtlPtr;

/* Of each manager, by its timer: how often the service was disabled for its connections. */
std::map<std::string, unsigned int> disabled_for;

bool of_leases(const std::string &timer)
{
    return timer.find("LeaseMgr") != std::string::npos;
}

struct Lost {
    DbCallback keas;

    bool operator()(const ReconnectCtlPtr &control) const
    {
        life.databases_lost++;
        const bool first = control && control->retriesLeft() == control->maxRetries();
        if (first && control->alterServiceState()) {
            disabled_for[control->timerName()]++;
        }
        if (control && of_leases(control->timerName())) {
            life.rows_unknown = true;
        }
        return keas(control);
    }
};

struct Recovered {
    DbCallback keas;

    bool operator()(const ReconnectCtlPtr &control) const
    {
        const bool good = keas(control);
        const auto found = control ? disabled_for.find(control->timerName()) : disabled_for.end();
        if (found != disabled_for.end()) {
            for (; found->second > 1 && life.network_state; found->second--) {
                enable_after_database(*life.network_state);
            }
            disabled_for.erase(found);
        }
        return good;
    }
};

} // namespace

void watch_databases()
{
    DbCallback &lost = DatabaseConnection::db_lost_callback_;
    DbCallback &recovered = DatabaseConnection::db_recovered_callback_;
    if (lost.target<Lost>() != nullptr || !lost || !recovered) {
        return;
    }
    disabled_for.clear(); /* by now Kea has made all its managers anew */
    lost = Lost{lost};
    recovered = Recovered{recovered};
}

} // namespace failover
