/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Everything that differs between the versions of Kea, and nothing else. Written for 2.2, 2.6 and
 * 3.0; a hook library is built for one version of Kea and loaded by that version only, so all of
 * this is decided at compile time.
 *
 * FO_KEA_VERSION comes from configure, for Kea's own KEA_HOOKS_VERSION is no macro: 2.2.0 is 20200,
 * 2.6.3 is 20603, 3.0.4 is 30004.
 */
#ifndef FO_SHIM_KEA_COMPAT_H
#define FO_SHIM_KEA_COMPAT_H

/* Kea's, not ours; newer headers insist on having it first. */
#include <config.h>

#include <dhcp/option_custom.h>
#include <dhcpsrv/client_class_def.h>
#include <dhcpsrv/lease.h>
#include <dhcpsrv/network_state.h>
#include <dhcpsrv/pool.h>
#include <dhcpsrv/shared_network.h>
#include <dhcpsrv/srv_config.h>
#include <dhcpsrv/subnet.h>
#include <hooks/hooks.h>

#include <string>
#include <utility>
#include <vector>

namespace failover {

static_assert(FO_KEA_VERSION == KEA_HOOKS_VERSION, "configured for another version of Kea");

/* The type of the argument subnet4 in callouts: getArgument wants it exactly. */
#if FO_KEA_VERSION >= 20705
using SubnetArgument = isc::dhcp::ConstSubnet4Ptr;
#else
using SubnetArgument = isc::dhcp::Subnet4Ptr;
#endif

/* One entry of hooks-libraries: path or name, and parameters. Kea's own was such a pair until 2.7. */
using LibraryEntry = std::pair<std::string, isc::data::ConstElementPtr>;
inline LibraryEntry library_entry(const LibraryEntry &entry)
{
    return entry;
}
template <typename Info> LibraryEntry library_entry(const Info &info)
{
    return {info.libname_, info.parameters_};
}
inline std::vector<LibraryEntry> libraries_of(const isc::dhcp::SrvConfig &server)
{
    std::vector<LibraryEntry> entries;
    for (const auto &entry : server.getHooksConfig().get()) {
        entries.push_back(library_entry(entry));
    }
    return entries;
}

/* Is there a class guard on a subnet (its shared network included) or on a pool? */
#if FO_KEA_VERSION >= 20705
inline bool has_class_guard(const isc::dhcp::Network &network)
{
    return !network.getClientClasses().empty();
}
inline bool has_class_guard(const isc::dhcp::Pool &pool)
{
    return !pool.getClientClasses().empty();
}
#else
inline bool has_class_guard(const isc::dhcp::Network &network)
{
    return !network.getClientClass().get().empty();
}
inline bool has_class_guard(const isc::dhcp::Pool &pool)
{
    return !pool.getClientClass().empty();
}
#endif

/* Does Kea write leases at DISCOVER (offer-lifetime, since 2.3.6), for clients of this network or of
   some class? */
#if FO_KEA_VERSION >= 20400
inline bool has_offer_lifetime(const isc::dhcp::Network4 &network)
{
    return network.getOfferLft().get() > 0;
}
inline bool has_offer_lifetime(const isc::dhcp::ClientClassDef &client_class)
{
    return client_class.getOfferLft().get() > 0;
}
#else
inline bool has_offer_lifetime(const isc::dhcp::Network4 &)
{
    return false;
}
inline bool has_offer_lifetime(const isc::dhcp::ClientClassDef &)
{
    return false;
}
#endif

/* As whom we disable Kea's DHCP service: not as the operator, whose dhcp-enable must not be needed. */
#if FO_KEA_VERSION >= 20505
inline unsigned int own_origin()
{
    return isc::dhcp::NetworkState::HA_LOCAL_COMMAND + 500;
}
#else
inline isc::dhcp::NetworkState::Origin own_origin()
{
    return isc::dhcp::NetworkState::Origin::HA_COMMAND;
}
#endif

/* Takes back one disabling of the DHCP service for a lost connection with a database. Until 2.5.5 Kea counted
   them. */
#if FO_KEA_VERSION >= 20505
inline void enable_after_database(isc::dhcp::NetworkState &) {}
#else
inline void enable_after_database(isc::dhcp::NetworkState &state)
{
    state.enableService(isc::dhcp::NetworkState::Origin::DB_CONNECTION);
}
#endif

/* A lease that a client released and that Kea keeps for it: not in use (since 2.7.0). Before,
   since 2.3.2, such a lease had a valid lifetime of 0. Kea 2.2 keeps none. */
inline bool is_released(const isc::dhcp::Lease4 &lease)
{
#if FO_KEA_VERSION >= 20700
    if (lease.state_ == isc::dhcp::Lease::STATE_RELEASED) {
        return true;
    }
#endif
    return lease.state_ == isc::dhcp::Lease::STATE_DEFAULT && lease.valid_lft_ == 0;
}

/* Statistics of pools, and the pool's number in a lease (since 2.3.8). */
#if FO_KEA_VERSION >= 20400
#define FO_KEA_POOL_STATISTICS 1
#endif
/* The relay agent information in a lease's user context is a map, and two of its sub-options are the
   lease's own members, too (since 2.3.8). */
#if FO_KEA_VERSION >= 20400
#define FO_KEA_EXTENDED_INFO_MAP 1
inline void keep_relay(const isc::dhcp::Lease4 &before, isc::dhcp::Lease4 &after)
{
    after.relay_id_ = before.relay_id_;
    after.remote_id_ = before.remote_id_;
}
#else
inline void keep_relay(const isc::dhcp::Lease4 &, isc::dhcp::Lease4 &) {}
#endif
/* The global statistic assigned-addresses (since 3.1.5). */
#if FO_KEA_VERSION >= 30105
#define FO_KEA_GLOBAL_ASSIGNED 1
#endif
} // namespace failover

#endif
