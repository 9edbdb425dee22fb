/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The library's life. Kea unloads and loads its libraries at every change of its configuration;
 * this one stays in memory (-z nodelete), and so do its service, its threads and its connections.
 *
 * The service is made by the first configuration, not by load(): before, neither the lease file is
 * known nor whether Kea only checks a configuration. load() does not fail for wrong parameters
 * either. Kea would then go on without the library, with a configuration that was made for two
 * servers; refusing in dhcp4_srv_configured instead gives the operator the reason as the command's
 * answer, and keeps us loaded.
 *
 * The main thread is woken after unload(), too, for Kea unloads all libraries where one of them fails
 * to load.
 *
 * After a refusal, ours or another's, Kea may run on with the configuration it had. So a packet is
 * answered only while the service knows the very configuration that Kea is running; otherwise the
 * main thread is woken, and reads parameters and subnets from the running one.
 */
#include "shim/shim.h"

#include <cc/command_interpreter.h>
#include <dhcp/iface_mgr.h>
#include <dhcpsrv/cfg_multi_threading.h>
#include <dhcpsrv/cfgmgr.h>
#include <dhcpsrv/lease_mgr.h>
#include <dhcpsrv/lease_mgr_factory.h>
#include <dhcpsrv/network_state.h>
#include <process/daemon.h>
#include <util/multi_threading_mgr.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <unordered_map>

#include "hook/env_real.h"

namespace failover {

using isc::dhcp::CfgMgr;
using isc::dhcp::LeaseMgrFactory;
using isc::dhcp::SrvConfig;
using isc::dhcp::SrvConfigPtr;
using isc::hooks::CalloutHandle;

namespace {

/* What the shim must know of a subnet for each packet. */
struct Governed {
    bool guards; /* class guards in its network */
};

/* The one service and what belongs to it. Changed by Kea's main thread with no packet in work. */
class Life {
public:
    ~Life() { end_at_exit(); }

    void configure(const SrvConfigPtr &server);
    void suspend();
    void end();

    fo_service *service = nullptr;
    std::unordered_map<uint32_t, Governed> subnets;
    /* The configuration that the service knows; kept, so that no other gets its address. */
    std::atomic<const SrvConfig *> known{nullptr};
    /* The one that could not be told to the service: not tried again for each packet. */
    std::atomic<const SrvConfig *> refused{nullptr};
    /* Kea has lost its lease database, or its rows could not be read: they are compared again when it
       is back, for what it says then may be older than what it said. */
    bool rows_unknown = false;
    int loads = 0;
    isc::dhcp::NetworkStatePtr network_state;
    bool disabled = false; /* Kea's DHCP service, by us: see loaded() */

private:
    void create(const std::string &state_file);
    void start();
    void learn_subnets(const SrvConfig &server, const fo_config &config);
    void end_at_exit();

    SrvConfigPtr kept_;
    fo_env_real *env_ = nullptr;
    std::string state_file_;
    bool running_ = false;
};

Life life;

void Life::create(const std::string &state_file)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    fo_env_real_settings settings = {};
    settings.state_file = state_file.c_str();
    settings.log = failover_log;
    settings.wake_rows = failover_wake_rows;
    env_ = fo_env_real_new(&settings);
    if (env_ == nullptr) {
        refuse(std::string("failover service: ") + strerror(errno));
    }
    service = fo_service_new(fo_env_real_env(env_), error);
    if (service == nullptr) {
        fo_env_real_free(env_);
        env_ = nullptr;
        log(FAILOVER_STORE_UNREADABLE, {state_file, error});
        refuse("state-file: the service cannot start with " + state_file + ": " + error);
    }
    state_file_ = state_file;
}

void Life::start()
{
    if (running_) {
        return;
    }
    const int error = fo_env_real_run(env_, service);
    if (error != 0) {
        refuse(std::string("failover service: cannot start a thread: ") + strerror(error));
    }
    running_ = true;
}

void Life::learn_subnets(const SrvConfig &server, const fo_config &config)
{
    std::unordered_map<std::string, bool> guarded_networks;
    const auto all = server.getCfgSubnets4()->getAll();
    const auto has_guards = [](const isc::dhcp::Subnet4 &subnet) {
        bool guards = has_class_guard(subnet);
        for (const auto &pool : subnet.getPools(isc::dhcp::Lease::TYPE_V4)) {
            guards = guards || has_class_guard(*pool);
        }
        return guards;
    };
    for (const auto &subnet : *all) {
        bool &guards = guarded_networks[subnet->getSharedNetworkName()];
        guards = guards || has_guards(*subnet);
    }
    subnets.clear();
    for (const auto &subnet : *all) {
        const std::string network = subnet->getSharedNetworkName();
        if (fo_config_relationship_of(&config, subnet->getID()) >= 0) {
            subnets[subnet->getID()].guards =
                network.empty() ? has_guards(*subnet) : guarded_networks[network];
        }
    }
}

/* Tells the service a configuration of Kea. Throws with the reason where that cannot be; the
   service then knows what it knew before. */
void Life::configure(const SrvConfigPtr &server)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    Config config;
    config.parse(own_parameters(libraries_of(*server)));
    const Topology topology(*server);
    check_fit(*server, config.get(), topology.get());
    if (checking_only() || !LeaseMgrFactory::haveInstance()) {
        return;
    }
    if (*config.get().state_file == '\0') {
        config.set_state_file(default_state_file(*server));
    }
    const std::string state_file = config.get().state_file;
    if (service == nullptr) {
        create(state_file);
    } else if (state_file != state_file_) {
        log(FAILOVER_CONFIG_WARNING,
            {"state-file", "the change to " + state_file + " takes effect when Kea is restarted"});
    }
    if (fo_service_configure(service, &config.get(), &topology.get(), error) != 0) {
        refuse(error);
    }
    try {
        learn_subnets(*server, config.get());
        rows_unknown = true;
        reconcile_rows();
        rows_unknown = false;
        start();
    } catch (...) {
        suspend(); /* or the partner would leave us clients whom nobody answers */
        throw;
    }
    kept_ = server;
    known = server.get();
    refused = nullptr;
}

/* A reload, or the library's removal: which of the two, the service cannot see either. */
void Life::suspend()
{
    known = nullptr;
    kept_.reset();
    if (service != nullptr) {
        fo_service_suspend(service);
    }
}

void Life::end()
{
    known = nullptr;
    kept_.reset();
    if (service == nullptr) {
        return;
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    if (running_) {
        fo_service_stop(service);
        while (!fo_service_stopped(service) && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        const bool in_order = fo_service_stopped(service);
        fo_env_real_stop(env_);
        if (in_order) {
            log(FAILOVER_STOPPED, {});
        }
    }
    fo_service *ended = service;
    service = nullptr;
    fo_service_free(ended);
    fo_env_real_free(env_);
    env_ = nullptr;
    running_ = false;
}

/* The process ends and nobody called unload(): at least no thread may outlive what it uses. */
void Life::end_at_exit()
{
    if (running_) {
        running_ = false;
        fo_env_real_stop(env_);
    }
}

void find_self_misplaced()
{
    const std::string program = isc::process::Daemon::getProcName();
    if (CfgMgr::instance().getFamily() != AF_INET || program != "kea-dhcp4") {
        refuse("failover is for DHCPv4: the library can be loaded by kea-dhcp4 only, not by " +
               program);
    }
}

/* What a refused configuration leaves behind: Kea may run on with the one before. */
void look_again_soon()
{
    failover_wake_rows(nullptr);
}

void reject(CalloutHandle &handle, const std::string &reason)
{
    log(FAILOVER_CONFIG_REFUSED, {reason});
    handle.setArgument("error", reason);
    handle.setStatus(CalloutHandle::NEXT_STEP_DROP);
    look_again_soon();
}

void enable_service(bool wanted)
{
    if (life.network_state && life.disabled == wanted) {
        if (wanted) {
            life.network_state->enableService(own_origin());
        } else {
            life.network_state->disableService(own_origin());
        }
        life.disabled = !wanted;
    }
}

extern "C" int dhcp4_srv_configured(CalloutHandle &handle)
{
    try {
        SrvConfigPtr server;
        handle.getArgument("server_config", server);
        life.configure(server);
        handle.getArgument("network_state", life.network_state);
        enable_service(true);
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
    look_again_soon(); /* should this configuration fail before it gets to us */
}

/* A configuration that is refused as late as by a hook library leaves Kea 2.2 with multi-threading
   switched on and no threads: it would take packets and never look at them. */
void restore_threads(const SrvConfig &running)
{
    auto &threading = isc::util::MultiThreadingMgr::instance();
    if (threading.getMode() && threading.getThreadPool().size() == 0) {
        isc::dhcp::CfgMultiThreading::apply(running.getDHCPMultiThreading());
    }
}

} // namespace

/* ------------------------------------------------------------------ asked by packets */

fo_service *service()
{
    return life.service;
}

bool in_step()
{
    const SrvConfigPtr running = CfgMgr::instance().getCurrentCfg();
    if (running.get() == life.known) {
        return true;
    }
    if (running.get() != life.refused) {
        look_again_soon();
    }
    return false;
}

bool governed(uint32_t subnet_id)
{
    return life.subnets.count(subnet_id) != 0;
}

bool guarded_by_class(uint32_t subnet_id)
{
    const auto found = life.subnets.find(subnet_id);
    return found != life.subnets.end() && found->second.guards;
}

/* ------------------------------------------------------------------ asked by the main thread */

void configuration_edited()
{
    life.known = nullptr;
    life.refused = nullptr;
    get_in_step();
}

/* Kea reads a configuration with its sockets closed, and where it fails, they stay so. */
void give_pulse()
{
    if (life.service == nullptr) {
        return;
    }
    const bool leases = LeaseMgrFactory::haveInstance(); /* not while its database is lost */
    if (!leases) {
        life.rows_unknown = true;
    } else if (life.rows_unknown && life.loads > 0) {
        configuration_edited();
    }
    const bool enabled = !life.network_state || life.network_state->isServiceEnabled();
    const char *idle = life.loads == 0       ? "its Kea has unloaded the failover library"
                       : !leases || !enabled ? "its DHCP service is disabled"
                       : !isc::dhcp::IfaceMgr::instance().hasOpenSocket(AF_INET)
                           ? "it listens on no interface (a configuration that failed closes all)"
                           : nullptr;
    fo_kea_pulse(life.service, idle);
}

/* Kea loads all libraries or none: where another one fails, it goes on without us. After `libreload`
   with its sockets open, and any address is leased. */
bool loaded()
{
    if (life.loads > 0) {
        return true;
    }
    const bool missed = names_us(libraries_of(*CfgMgr::instance().getCurrentCfg()));
    if (missed && !life.disabled && life.service != nullptr) {
        log(FAILOVER_NOT_LOADED, {});
    }
    enable_service(!missed);
    return false;
}

void get_in_step() noexcept
{
    guarded("configuration", [] {
        const SrvConfigPtr running = CfgMgr::instance().getCurrentCfg();
        if (life.loads == 0 || running.get() == life.known || running.get() == life.refused ||
            !LeaseMgrFactory::haveInstance()) {
            return;
        }
        restore_threads(*running);
        isc::util::MultiThreadingCriticalSection no_packets;
        life.refused = running.get(); /* until it turns out otherwise */
        try {
            if (life.rows_unknown) {
                LeaseMgrFactory::instance().recountLeaseStats4();
            }
            life.configure(running);
        } catch (const std::exception &error) {
            log(FAILOVER_CONFIG_REFUSED, {error.what()});
            life.suspend();
        }
    });
}

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
        /* Without lease manager it is Kea's exit, unless that had lost its database before. */
        if (failover::LeaseMgrFactory::haveInstance() || failover::life.rows_unknown) {
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
