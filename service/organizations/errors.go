package organizations

import (
	"fmt"

	"github.com/vauban-cloud/vauban/cloud"
)

// denied is the answer to an account that may not call an operation, whatever its
// policies say.
func denied() error {
	return cloud.Errorf("AccessDeniedException", "You don't have permissions to access this resource.")
}

// invalid is the error for a parameter that cannot be used. The reasons are those of
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateAccount.html#API_CreateAccount_Errors
func invalid(reason, format string, args ...any) error {
	return &cloud.Error{Code: "InvalidInputException", Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// constraint is the error for what a limit or a rule of the organization forbids.
func constraint(reason, format string, args ...any) error {
	return &cloud.Error{Code: "ConstraintViolationException", Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// required is the error for a parameter that is absent or empty.
func required(parameter string) error {
	return invalid("INPUT_REQUIRED", "You must provide a value for %s.", parameter)
}

// mismatch is the error for an ID or a name that does not have its form.
func mismatch(parameter, form string) error {
	return invalid("INVALID_PATTERN", "You provided a value for %s that does not match the required pattern: %s.", parameter, form)
}

// unknown is the error for a value that is none of an enumeration.
func unknown(reason, parameter, value string, valid any) error {
	return invalid(reason, "%q is not a valid value for %s: use one of %v.", value, parameter, valid)
}

// The errors for what does not exist.

func noAccount(id string) error {
	return cloud.Errorf("AccountNotFoundException", "You specified an account that doesn't exist: %s.", id)
}

func noUnit(id string) error {
	return cloud.Errorf("OrganizationalUnitNotFoundException", "You specified an organizational unit that doesn't exist: %s.", id)
}

func noParent(id string) error {
	return cloud.Errorf("ParentNotFoundException", "You specified a root or organizational unit that doesn't exist: %s.", id)
}

func noPolicy(id string) error {
	return cloud.Errorf("PolicyNotFoundException", "You specified a policy that doesn't exist: %s.", id)
}

func noTarget(id string) error {
	return cloud.Errorf("TargetNotFoundException", "You specified a target that doesn't exist: %s.", id)
}
