/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What Kea calls beside packets: load() and unload(), the callout of a new configuration, and that of a command.
 *
 * load() does not fail for wrong parameters. Kea would then go on without the library, with a
 * configuration that was made for two servers; refusing in dhcp4_srv_configured instead gives the
 * operator the reason as the command's answer, and keeps us loaded.
 *
 * The main thread is woken after unload(), too, for Kea unloads all libraries where one of them fails
 * to load.
 */
#include "shim/life.h"

#include <cc/command_interpreter.h>
#include <dhcpsrv/cfgmgr.h>
#include <dhcpsrv/lease_mgr_factory.h>
#include <process/daemon.h>

#include <cstring>

namespace failover {

using isc::dhcp::CfgMgr;
using isc::dhcp::LeaseMgrFactory;
using isc::dhcp::SrvConfigPtr;
using isc::hooks::CalloutHandle;

namespace {

void find_self_misplaced()
{
    const std::string program = isc::process::Daemon::getProcName();
    if (CfgMgr::instance().getFamily() != AF_INET || program != "kea-dhcp4") {
        refuse("failover is for DHCPv4: the library can be loaded by kea-dhcp4 only, not by " +
               program);
    }
}

void reject(CalloutHandle &handle, const std::string &reason)
{
    log(FAILOVER_CONFIG_REFUSED, {reason});
    handle.setArgument("error", reason);
    handle.setStatus(CalloutHandle::NEXT_STEP_DROP);
    look_again_soon();
}

extern "C" int dhcp4_srv_configured(CalloutHandle &handle)
{
    try {
        SrvConfigPtr server;
        handle.getArgument("server_config", server);
        life.configure(server);
        handle.getArgument("network_state", life.network_state);
        life.enable_kea(true);
        if (life.service != nullptr && LeaseMgrFactory::haveInstance() &&
            life.network_state->isServiceEnabled()) {
            fo_kea_pulse(life.service, nullptr); /* of its sockets the next pulse tells */
        }
    } catch (const std::exception &error) {
        reject(handle, error.what());
    } catch (...) {
        reject(handle, "failover service: unknown error");
    }
    return 0;
}

/* Changes of the running configuration come by config backends and by commands. */
extern "C" int cb4_updated(CalloutHandle &)
{
    guarded("cb4_updated", configuration_edited);
    return 0;
}

bool edits_configuration(const std::string &command)
{
    for (const char *prefix : {"subnet4-", "network4-", "reservation-"}) {
        if (command.compare(0, strlen(prefix), prefix) == 0) {
            return command.find("-get") == std::string::npos &&
                   command.find("-list") == std::string::npos;
        }
    }
    return false;
}

extern "C" int command_processed(CalloutHandle &handle)
{
    guarded("command_processed", [&handle] {
        std::string name;
        handle.getArgument("name", name);
        if (name == "config-test") {
            check_tested_config(handle);
        } else if (name == "status-get") {
            add_to_status(handle);
        } else if (name == "config-get") {
            try {
                redact_answer(handle);
            } catch (const std::exception &error) { /* rather no answer than one with the secret */
                handle.setArgument("response", isc::config::createAnswer(
                                                   isc::config::CONTROL_RESULT_ERROR, error.what()));
            }
        } else if (name == "dhcp-disable" || name == "dhcp-enable") {
            give_pulse();
        } else if (name == "config-set" || name == "config-reload") {
            look_again_soon(); /* one that failed may have closed Kea's sockets */
        } else if (edits_configuration(name)) {
            configuration_edited();
        } else if (is_lease_command(name)) {
            lease_command(handle, name);
        }
    });
    return 0;
}

void begin(isc::hooks::LibraryHandle &handle)
{
    std::string error;
    find_self_misplaced();
    if (!open_wake(error)) {
        refuse(error);
    }
    if (life.loads > 0) {
        life.loads++;
        return; /* named twice: dhcp4_srv_configured says so */
    }
    watch_wake();
    register_callouts(handle);
    register_commands(handle);
    register_orders(handle);
    handle.registerCallout("dhcp4_srv_configured", dhcp4_srv_configured);
    handle.registerCallout("cb4_updated", cb4_updated);
    handle.registerCallout("command_processed", command_processed);
    life.loads++;
    life.hold_log(true); /* where the service has run all the time: Kea is about to set up its log */
    look_again_soon(); /* should this configuration fail before it gets to us */
}

} // namespace
} // namespace failover

/* ------------------------------------------------------------------ called by Kea */

extern "C" {

__attribute__((visibility("default"))) int load(isc::hooks::LibraryHandle &handle);
__attribute__((visibility("default"))) int unload();

int load(isc::hooks::LibraryHandle &handle)
{
    try {
        failover::begin(handle);
        return 0;
    } catch (const std::exception &error) {
        failover::log(FAILOVER_CONFIG_REFUSED, {error.what()});
    } catch (...) {
        failover::log(FAILOVER_CONFIG_REFUSED, {"unknown error in load()"});
    }
    return 1;
}

int unload()
{
    failover::guarded("unload", [] {
        if (failover::life.loads > 0 && --failover::life.loads > 0) {
            return;
        }
        if (failover::kea_serves()) {
            failover::life.hold_log(true);
            failover::life.suspend();
            failover::look_again_soon(); /* whether Kea goes on without us */
        } else {
            failover::unwatch_wake();
            failover::life.end();
            failover::life.network_state.reset();
        }
    });
    return 0;
}
}
