/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The library is for kea-dhcp4: loaded into any other of Kea's daemons it refuses. This program says
 * that it is one or the other, and has Kea's own code load the library. It does without Check, in
 * whose child processes Kea's logging does not work.
 */
#include <dhcpsrv/cfgmgr.h>
#include <hooks/hooks_manager.h>
#include <log/logger_support.h>
#include <process/daemon.h>

#include <cstdlib>
#include <iostream>

using isc::dhcp::CfgMgr;
using isc::hooks::HookLibsCollection;
using isc::hooks::HooksManager;

namespace {

/* What kea-dhcp4 offers to libraries, as far as this one wants it. */
const char *const HOOKS[] = {"subnet4_select", "lease4_select",  "lease4_renew",
                             "lease4_release", "lease4_decline", "pkt4_send",
                             "dhcp4_srv_configured", "cb4_updated", "command_processed"};

bool loads(const char *program, uint16_t family)
{
    isc::process::Daemon::setProcName(program);
    CfgMgr::instance().setFamily(family);
    HookLibsCollection libraries;
    libraries.push_back(
        {"shim/.libs/libdhcp_ha_failover.so", isc::data::Element::createMap()});
    const bool loaded = HooksManager::loadLibraries(libraries);
    HooksManager::prepareUnloadLibraries();
    HooksManager::unloadLibraries();
    return loaded;
}

} // namespace

int main()
{
    const struct {
        const char *program;
        uint16_t family;
        bool wanted;
    } cases[] = {{"kea-dhcp6", AF_INET6, false},
                 {"kea-ctrl-agent", AF_INET, false},
                 {"kea-dhcp-ddns", AF_INET, false},
                 {"kea-dhcp4", AF_INET, true}};
    int wrong = 0;
    setenv("KEA_LOCKFILE_DIR", "none", 1);
    isc::log::initLogger("misplaced", isc::log::FATAL);
    for (const char *hook : HOOKS) {
        HooksManager::registerHook(hook);
    }
    for (const auto &one : cases) {
        const bool loaded = loads(one.program, one.family);
        std::cout << one.program << (loaded ? " loads it" : " does not load it") << std::endl;
        wrong += loaded != one.wanted;
    }
    std::_Exit(wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE); /* what Kea leaves behind is not the question */
}
