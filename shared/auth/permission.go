package auth

import (
	"slices"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// Permission is one thing that a token lets its bearer do.
type Permission string

// The permissions.
const (
	// PermissionTrade places, replaces and cancels orders and closes positions.
	PermissionTrade Permission = "trade"
	// PermissionMarketData reads quotes, bars and streams.
	PermissionMarketData Permission = "market_data"
	// PermissionAccountRead reads balances, positions, orders and activities.
	PermissionAccountRead Permission = "account_read"
	// PermissionAdmin does everything, on every account.
	PermissionAdmin Permission = "admin"
)

// ParsePermission returns the permission of that name, or an INVALID_REQUEST that lists the known ones.
func ParsePermission(name string) (Permission, error) {
	switch permission := Permission(name); permission {
	case PermissionTrade, PermissionMarketData, PermissionAccountRead, PermissionAdmin:
		return permission, nil
	}
	return "", problem.InvalidRequest.
		New("permission %.32q is not one of trade, market_data, account_read, admin", name).Field("permissions")
}

// checkPermissions refuses an empty list and unknown names.
func checkPermissions(permissions []Permission) error {
	if len(permissions) == 0 {
		return problem.InvalidRequest.New("at least one permission is required").Field("permissions")
	}
	for _, permission := range permissions {
		if _, err := ParsePermission(string(permission)); err != nil {
			return err
		}
	}
	return nil
}

// knownPermissions drops the names it does not know: a permission that a newer release introduced grants nothing
// here, and must not lock its bearer out of instances that are not upgraded yet.
func knownPermissions(names []string) []Permission {
	permissions := make([]Permission, 0, len(names))
	for _, name := range names {
		permission, err := ParsePermission(name)
		if err == nil && !slices.Contains(permissions, permission) {
			permissions = append(permissions, permission)
		}
	}
	return permissions
}

func permissionNames(permissions []Permission) []string {
	names := make([]string, len(permissions))
	for i, permission := range permissions {
		names[i] = string(permission)
	}
	return names
}
