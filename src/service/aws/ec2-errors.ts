import { BarewireError, machineError } from '../../schema/index.js';
import { AWS_PERMISSIONS, type AwsAction } from './permissions.js';

const REFUSALS = ['UnauthorizedOperation', 'AccessDenied', 'AccessDeniedException'];
const THROTTLES = ['RequestLimitExceeded', 'Throttling', 'ThrottlingException', 'TooManyRequestsException'];
const CREDENTIALS = [
  'AuthFailure',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'RequestExpired',
];

/** The code of EC2's error; of another error, its name. */
export const awsCode = (error: unknown): string => (error instanceof Error ? error.name : '');

/** Turns an error of the SDK into one that says which call failed, and what follows from it. */
export function explainAwsError(action: AwsAction, error: unknown): BarewireError {
  if (error instanceof BarewireError) return error;
  const code = awsCode(error);
  const { message = String(error), $metadata } = error as {
    message?: string;
    $metadata?: { attempts?: number };
  };
  const refused = (text: string, hint: string): BarewireError =>
    machineError('cloud-refused', text, hint, error);
  if (REFUSALS.includes(code)) {
    const without = AWS_PERMISSIONS.find((permission) => permission.action === action)?.without ?? '';
    return refused(
      `AWS does not permit ${action}. ${without}`,
      `Allow ${action} in the IAM policy of the instance's role.`,
    );
  }
  if (THROTTLES.includes(code))
    return refused(
      `AWS throttled ${action} ${$metadata?.attempts ?? 1} times in a row: ${code}`,
      'Wait: the agent tries again at its next check. The limit is per account and region: see what else calls EC2 there.',
    );
  if (code === 'CredentialsProviderError')
    return refused(
      `No AWS credentials for ${action}: ${message}`,
      'Attach an IAM role to the instance, or set the environment variables of the AWS SDK.',
    );
  if (CREDENTIALS.includes(code))
    return refused(
      `AWS rejected the credentials for ${action}: ${code}`,
      "Check the instance's role and its clock: a signature is valid for 5 minutes.",
    );
  if (/^(ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/.test(errno(error)))
    return machineError(
      'host-unreachable',
      `Could not reach AWS for ${action}: ${errno(error)}`,
      'Give the VPC subnet a route to the EC2 service: an internet gateway, a NAT gateway, or an interface endpoint for ec2.',
      error,
    );
  return refused(`${action} failed: ${code}: ${message}`, 'See the error codes of the Amazon EC2 API.');
}

const errno = (error: unknown): string => {
  const { code, name } = error as NodeJS.ErrnoException;
  return code ?? (name === 'TimeoutError' ? 'ETIMEDOUT' : '');
};
