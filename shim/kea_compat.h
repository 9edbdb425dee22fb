/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Everything that differs between the versions of Kea, and nothing else. Written for 2.2, 2.6 and
 * 3.0; a hook library is built for one version of Kea and loaded by that version only, so all of
 * this is decided at compile time.
 *
 * Numbers of KEA_HOOKS_VERSION: 2.2.0 is 20200, 2.6.3 is 20603, 3.0.4 is 30004.
 */
#ifndef FO_SHIM_KEA_COMPAT_H
#define FO_SHIM_KEA_COMPAT_H

/* Kea's, not ours; newer headers insist on having it first. */
#include <config.h>

#include <dhcp/option_custom.h>
#include <dhcpsrv/lease.h>
#include <dhcpsrv/pool.h>
#include <dhcpsrv/shared_network.h>
#include <dhcpsrv/subnet.h>
#include <hooks/hooks.h>

namespace failover {

/* The type of the argument subnet4 in callouts: getArgument wants it exactly. */
#if KEA_HOOKS_VERSION >= 20705
using SubnetArgument = isc::dhcp::ConstSubnet4Ptr;
#else
using SubnetArgument = isc::dhcp::Subnet4Ptr;
#endif

/* Is there a class guard on a subnet (its shared network included) or on a pool? */
#if KEA_HOOKS_VERSION >= 20705
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

/* Does Kea write leases at DISCOVER (offer-lifetime, since 2.3.6)? */
#if KEA_HOOKS_VERSION >= 20400
inline bool has_offer_lifetime(const isc::dhcp::Network4 &network)
{
    return network.getOfferLft().get() > 0;
}
#else
inline bool has_offer_lifetime(const isc::dhcp::Network4 &)
{
    return false;
}
#endif

/* A lease that a client released and that Kea keeps for it: not in use (since 2.7.0). Before,
   since 2.3.2, such a lease had a valid lifetime of 0. */
inline bool is_released(const isc::dhcp::Lease4 &lease)
{
#if KEA_HOOKS_VERSION >= 20700
    if (lease.state_ == isc::dhcp::Lease::STATE_RELEASED) {
        return true;
    }
#endif
    return lease.state_ == isc::dhcp::Lease::STATE_DEFAULT && lease.valid_lft_ == 0;
}

/* Statistics of pools, and the pool's number in a lease (since 2.3.8). */
#if KEA_HOOKS_VERSION >= 20400
#define FO_KEA_POOL_STATISTICS 1
#endif
/* The relay agent information in a lease's user context is a map (since 2.3.8). */
#if KEA_HOOKS_VERSION >= 20400
#define FO_KEA_EXTENDED_INFO_MAP 1
#endif
/* The global statistic assigned-addresses (since 3.1.5). */
#if KEA_HOOKS_VERSION >= 30105
#define FO_KEA_GLOBAL_ASSIGNED 1
#endif
/* config-test runs load() and dhcp4_srv_configured by itself (since 2.6). Before, our parameters
   in a configuration under test are looked at in command_processed. */
#if KEA_HOOKS_VERSION < 20600
#define FO_KEA_BLIND_CONFIG_TEST 1
#endif

} // namespace failover

#endif
