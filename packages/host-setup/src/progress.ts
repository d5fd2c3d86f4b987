/** Told about long steps. */
export type Progress = (event: {
  readonly step: string;
  /** 0 to 1 where the step knows how far it is. */
  readonly fraction?: number;
  readonly detail?: string;
}) => void;
