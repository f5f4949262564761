package account

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/killswitch"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

const (
	// maxReason is how long the reason of a kill switch may be, in bytes.
	maxReason = 500
	// cancelTimeout bounds canceling the open orders of all accounts, cancelsAtOnce how many accounts are asked at a time.
	cancelTimeout = 30 * time.Second
	cancelsAtOnce = 32
)

// KillSwitchRequest trips a kill switch.
type KillSwitchRequest struct {
	Reason string `json:"reason" doc:"Why, for the audit log and for those whose orders are refused."`
	// CancelOrders cancels what is open, and what is on its way.
	CancelOrders bool `json:"cancel_orders,omitempty" doc:"Also cancel every open order."`
	// AllowCloses lets positions be closed nevertheless; it is true unless it is given.
	AllowCloses *bool `json:"allow_closes,omitempty" doc:"Let positions be closed, by the calls that close them. True unless given."`
}

// KillSwitchSet is a kill switch after it was set.
type KillSwitchSet struct {
	// AccountID is null for the switch of all accounts.
	AccountID *string          `json:"account_id"`
	Switch    killswitch.State `json:"switch"`
	// Accounts says for each account what became of its open orders; null unless they were to be canceled.
	Accounts []CanceledOrders `json:"accounts"`
}

// CanceledOrders is what became of one account's open orders.
type CanceledOrders struct {
	AccountID string `json:"account_id"`
	// Canceled is how many cancels Alpaca accepted, Failed how many it did not: those orders had ended.
	Canceled int `json:"canceled"`
	Failed   int `json:"failed"`
	// Error says why the account's orders could not be canceled; null when they were asked to.
	Error *string `json:"error"`
}

// KillSwitches are all that were ever set.
type KillSwitches struct {
	All      *killswitch.State           `json:"all"`
	Accounts map[string]killswitch.State `json:"accounts"`
}

func (f *Function) handleKillSwitches() {
	reason := serve.Parameter{Name: "reason", In: serve.InQuery, Description: "Why, for the audit log."}
	operation := func(id, method, path, summary string, parameters ...serve.Parameter) serve.Operation {
		o := serve.Operation{
			ID: id, Method: method, Path: "/api/v1/admin/" + path, Tag: "admin", Summary: summary, Permission: auth.PermissionAdmin,
			Parameters: parameters, Problems: []*problem.Kind{problem.AccountNotFound, problem.Unavailable},
		}
		if method == http.MethodGet { // a switch is set at once, whatever its administrator read before
			o.Limit = platform.LimitAccount
		}
		return o
	}
	serve.Handle(f.router, operation("listKillSwitches", http.MethodGet, "kill-switch", "All kill switches"), f.listKillSwitches)
	serve.Handle(f.router, operation("tripKillSwitch", http.MethodPost, "kill-switch", "Stop new orders of all accounts"), f.tripKillSwitch)
	serve.Handle(f.router, operation("releaseKillSwitch", http.MethodDelete, "kill-switch", "Take new orders again", reason), f.releaseKillSwitch)
	serve.Handle(f.router, operation("tripAccountKillSwitch", http.MethodPost, "accounts/{account_id}/kill-switch",
		"Stop new orders of one account", accountParameter()), f.tripKillSwitch)
	serve.Handle(f.router, operation("releaseAccountKillSwitch", http.MethodDelete, "accounts/{account_id}/kill-switch",
		"Take new orders of one account again; the switch of all accounts stays", accountParameter(), reason), f.releaseKillSwitch)
}

func (f *Function) listKillSwitches(ctx context.Context, _ *serve.Request[serve.None]) (KillSwitches, error) {
	found, err := f.switches.Read(ctx)
	if err != nil {
		return KillSwitches{}, problem.Unavailable.New("kill switches can't be read right now").After(time.Second).Because(err)
	}
	all := KillSwitches{Accounts: make(map[string]killswitch.State)}
	for _, switches := range found {
		for scope, state := range switches {
			switch {
			case scope != killswitch.All:
				all.Accounts[scope] = state
			case all.All == nil || state.At.After(all.All.At):
				all.All = &state
			}
		}
	}
	return all, nil
}

func (f *Function) tripKillSwitch(ctx context.Context, r *serve.Request[KillSwitchRequest]) (KillSwitchSet, error) {
	reason := strings.TrimSpace(r.Body.Reason)
	if reason == "" || len(reason) > maxReason {
		return KillSwitchSet{}, problem.InvalidRequest.New("reason is required, of at most %d characters", maxReason).Field("reason").With("limit", maxReason)
	}
	set, accounts, err := f.setKillSwitch(ctx, r.Claims, r.PathValue("account_id"), killswitch.State{
		Engaged: true, CancelOrders: r.Body.CancelOrders, Reason: reason,
		AllowCloses: r.Body.AllowCloses == nil || *r.Body.AllowCloses,
	})
	// Only now, and only where it was set: an order that is sent after this was either open before, or its own instance
	// cancels it.
	if r.Body.CancelOrders && (err == nil || len(accounts) > 0) {
		set.Accounts = f.cancelOrders(ctx, accounts)
	}
	if partial := (*problem.Error)(nil); errors.As(err, &partial) && set.Accounts != nil {
		return set, partial.With("accounts", set.Accounts)
	}
	return set, err
}

func (f *Function) releaseKillSwitch(ctx context.Context, r *serve.Request[serve.None]) (KillSwitchSet, error) {
	reason := strings.TrimSpace(r.URL.Query().Get("reason"))
	if len(reason) > maxReason {
		return KillSwitchSet{}, problem.InvalidRequest.New("reason may have at most %d characters", maxReason).Field("reason").With("limit", maxReason)
	}
	set, _, err := f.setKillSwitch(ctx, r.Claims, r.PathValue("account_id"), killswitch.State{Reason: reason})
	return set, err
}

// setKillSwitch sets the switch of an account, or of all for an empty ID, and returns it with the accounts for which it
// holds, also with an error.
func (f *Function) setKillSwitch(ctx context.Context, claims *auth.Claims, accountID string, state killswitch.State) (KillSwitchSet, []vault.Account, error) {
	set, scope := KillSwitchSet{}, killswitch.All
	var accounts []vault.Account
	var err error
	if accountID == "" {
		if accounts, err = f.platform.Accounts.List(ctx); err != nil {
			return set, nil, problem.Unavailable.New("accounts can't be listed right now").Because(err)
		}
	} else {
		account, err := f.reach(ctx, claims, accountID)
		if err != nil {
			return set, nil, err
		}
		scope, set.AccountID, accounts = accountID, &accountID, []vault.Account{account}
	}
	state.By, state.At = claims.Subject, f.platform.Clock.Now().UTC()
	audit := f.platform.Logger.Named("audit").With(zap.String("scope", scope), zap.Bool("engaged", state.Engaged),
		zap.Bool("cancel_orders", state.CancelOrders), zap.Bool("allow_closes", state.AllowCloses),
		zap.String("reason", state.Reason), zap.String("by", state.By), zap.String("token_id", claims.ID))
	if err := f.switches.Set(ctx, scope, state); err != nil {
		holds, missing := split(accounts, err)
		audit.Error("kill switch not set, or not for all accounts", zap.Strings("not_set", missing), zap.Error(err))
		return set, holds, problem.Unavailable.New("the kill switch could not be set for all accounts; set it again").
			With("not_set", missing).After(time.Second).Because(err)
	}
	audit.Warn("kill switch set")
	set.Switch = state
	return set, accounts, nil
}

// split tells the accounts for which a switch was set from the IDs of those for which it was not.
func split(accounts []vault.Account, err error) (holds []vault.Account, missing []string) {
	var unset *killswitch.UnsetError
	partial := errors.As(err, &unset)
	missing = []string{}
	for _, account := range accounts {
		if partial && unset.Shards[store.Shard(account.ID)] == nil {
			holds = append(holds, account)
		} else {
			missing = append(missing, account.ID)
		}
	}
	return holds, missing
}

// cancelOrders asks Alpaca to cancel the open orders of accounts, each within its own budget.
func (f *Function) cancelOrders(ctx context.Context, accounts []vault.Account) []CanceledOrders {
	// A caller that hangs up does not leave it half done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	results := make([]CanceledOrders, len(accounts))
	var group errgroup.Group
	group.SetLimit(cancelsAtOnce)
	for i := range accounts {
		group.Go(func() error {
			results[i] = f.cancelOrdersOf(ctx, &accounts[i])
			return nil
		})
	}
	_ = group.Wait() // each account has its own result
	return results
}

func (f *Function) cancelOrdersOf(ctx context.Context, account *vault.Account) CanceledOrders {
	result := CanceledOrders{AccountID: account.ID}
	canceled, err := f.platform.Alpaca.CancelAllOrders(ctx, account.Credentials)
	if err != nil {
		f.platform.Logger.Error("open orders not canceled", zap.String("account_id", account.ID), zap.Error(err))
		why := alpaca.Problem(err).Message
		result.Error = &why
		return result
	}
	for _, one := range canceled {
		if one.Status < http.StatusBadRequest {
			result.Canceled++
		} else {
			result.Failed++
		}
	}
	return result
}
